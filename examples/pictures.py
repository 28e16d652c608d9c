"""Pictures that several examples draw."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, FONT, LINE = 860, 14, 24
CHARACTER = 0.602 * FONT  # the width of one in a monospaced font
ABOVE, BELOW = "31, 119, 180", "230, 126, 34"  # blue for, orange against, as on all pages


class Words(NamedTuple):
    """A text and what each of its words says for or against an answer.

    Attributes:
        title: what is shown, and the answer.
        words: in their order.
        contributions: one for each word, above 0 for the answer.
    """

    title: str
    words: Sequence[str]
    contributions: Sequence[float]


def draw_words(path: Path, texts: Sequence[Words]) -> None:
    """Draw texts as SVG, each word on a ground as strong as what it says: blue for the answer, orange against."""
    marks, y = [], 0.0
    for title, words, contributions in texts:
        y += 1.5 * LINE
        marks.append(f'<text x="12" y="{y:.0f}" font-weight="bold" font-family="sans-serif">{escape(title)}</text>')
        strongest = max(map(abs, contributions), default=0) or 1
        y += LINE
        x = 12.0
        for word, contribution in zip(words, contributions, strict=True):
            width = len(word) * CHARACTER
            if x + width > WIDTH - 12:
                x, y = 12.0, y + LINE
            colour = ABOVE if contribution > 0 else BELOW
            marks.append(
                f'<rect x="{x - 2:.1f}" y="{y - 15:.0f}" width="{width + 4:.1f}" height="20" rx="3" '
                f'fill="rgba({colour}, {0.75 * abs(contribution) / strongest:.2f})"/>'
                f'<text x="{x:.1f}" y="{y:.0f}" textLength="{width:.1f}" font-family="monospace">{escape(word)}</text>'
            )
            x += width + CHARACTER
    height = y + LINE
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" font-size="{FONT}">'
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>{"".join(marks)}</svg>\n',
        encoding="utf-8",
    )
