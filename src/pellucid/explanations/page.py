"""An explanation as one HTML page: MathML, pictures inside, nothing fetched, readable in grey and on a phone."""

import numpy as np

from pellucid.explanations.blocks import Block, Cell, Gallery, Heading, Lines, Numbers, Picture, Table, Text
from pellucid.explanations.formula import Math, number
from pellucid.explanations.numbers import Explanation
from pellucid.explanations.story import story
from pellucid.report import page as html
from pellucid.report.page import Content, Html
from pellucid.report.picture import grey, png

STYLE = Html(
    "<style>.line{margin:.4rem 0 .4rem 1rem}.line math{margin-right:.3em}math{font-size:1.06em}"
    "td math,th math{white-space:nowrap}.figures img{image-rendering:pixelated;border:1px solid #ccc}</style>"
)
"""What a calculation needs beside the style of all pages."""


def as_html(told: Explanation) -> str:
    """The page."""
    sections: list[Content] = [STYLE]
    title, pieces = "", []
    for block in story(told):
        if isinstance(block, Heading):
            sections.append(html.section(title, *pieces) if title else html.join(*pieces))
            title, pieces = block.text, []
        else:
            pieces.append(_piece(block))
    return html.page(told.facts.title, *sections, html.section(title, *pieces))


def _piece(block: Block) -> Html:
    match block:
        case Text(text):
            return html.paragraph(text)
        case Lines(lines):
            return html.join(*(html.element("div", Html(line.mathml), class_="line") for line in lines))
        case Table(head, rows):
            if not any(head):
                return html.facts((str(name), _content(value)) for name, value in rows)
            right = [k for k in range(len(head)) if any(isinstance(row[k], int | float) for row in rows)]
            return html.table(
                [_content(cell) for cell in head], [[_content(cell) for cell in row] for row in rows], right=right
            )
        case Gallery(caption, pictures, wide):
            shown = html.figures(*(_figure(picture) for picture in pictures), kind=None if wide else "small")
            return html.join(html.paragraph(caption), shown)
        case Numbers(label, array):
            return html.element("details", html.element("summary", label), html.code_block(_written(array)))
        case Heading(text):
            return html.element("h3", text)


def _written(array: np.ndarray) -> str:
    return np.array2string(
        array, max_line_width=100, threshold=array.size + 1, formatter={"float_kind": lambda one: f"{one + 0.0:.4g}"}
    )


def _content(cell: Cell) -> Content:
    if isinstance(cell, Math):
        return Html(f"<math displaystyle='true'>{cell.mathml}</math>")
    return number(cell).text if isinstance(cell, float) else str(cell)


def _figure(picture: Picture) -> Html:
    array = picture.array
    low, high = float(array.min()), float(array.max())
    said = f"{picture.label}, {low:.3g} to {high:.3g}".replace("-", "−")
    if picture.signed:  # 0 is the grey in the middle
        high = max(abs(low), abs(high))
        low = -high
    rows, columns = array.shape
    return html.figure(html.image(png(255 - grey(array, low, high)), f"{said}; {rows} by {columns}"), said)
