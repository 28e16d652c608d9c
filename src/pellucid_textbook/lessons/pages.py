"""All lessons studied into a folder: results that are kept and reused, pages to read.

The folder holds::

    index.md (or index.html)      the claims and their verdicts
    <name>.md (or <name>.html)    a lesson: claim, reason, experiment, figures, rule, verdict
    <name>.png                    its picture (HTML pages hold it themselves)
    results/<name>.json           what was measured; a lesson whose result is there already is not run again
"""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pellucid.core.files import write_bytes
from pellucid.report import page as html
from pellucid_textbook.lessons.claims import check_seeds, list_lessons
from pellucid_textbook.lessons.quantity import Quantity, number
from pellucid_textbook.lessons.study import LessonResult, lesson


def study_all(folder: Path, seeds: int, seed: int) -> Iterator[LessonResult]:
    """Study every lesson, one after another; results of the same seeds and the same lesson are taken from the folder.

    Args:
        folder: where the results are kept.
        seeds: how many seeds, at least 2.
        seed: the first of them.

    Raises:
        InvalidValue: fewer than two seeds.
        StorageError: a result cannot be written.
    """
    check_seeds(seeds)
    for found in list_lessons():
        path = folder / "results" / f"{found.name}.json"
        result = read_result(path)
        if (
            result is None
            or result.seeds != tuple(range(seed, seed + seeds))
            or result.fingerprint != found.fingerprint
        ):
            result = lesson(found.name, seeds=seeds, seed=seed)
            write_bytes(path, msgspec.json.encode(result))
        yield result


def read_result(path: Path) -> LessonResult | None:
    """The result in a file; None where there is none, or one of another version."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LessonResult)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def picture(result: LessonResult, dpi: int = 110) -> bytes:
    """The lesson's figure as PNG; the same result gives the same bytes."""
    buffer = io.BytesIO()
    result.figure().savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def write_html(folder: Path, results: list[LessonResult]) -> None:
    """The index and a page for each lesson, as HTML that stands alone."""
    for result in results:
        write_bytes(folder / f"{result.name}.html", html_page(result).encode())
    write_bytes(folder / "index.html", html_index(results).encode())


def html_index(results: list[LessonResult]) -> str:
    """The table of all verdicts."""
    rows = [
        (
            str(result.lesson.number),
            html.element("a", result.lesson.claim, href=f"{result.name}.html"),
            ", ".join(result.lesson.items),
            html.element("strong", result.verdict),
        )
        for result in results
    ]
    return html.page("Lessons", html.paragraph(summary(results)), html.table(("", "claim", "subject", "verdict"), rows))


def html_page(result: LessonResult) -> str:
    """One lesson."""
    found = result.lesson
    rows = [(labelled(q), number(q.mean), f"{number(q.low)} to {number(q.high)}") for q in result.quantities]
    judged = found.judged(result.figures)
    data = "data:image/png;base64," + base64.b64encode(picture(result)).decode()
    return html.page(
        f"{found.number} {found.claim}",
        html.paragraph(f"Verdict: {result.verdict}.", kind="lead"),
        html.paragraph(
            f"Subject {', '.join(found.items)} · ",
            html.code(f"pellucid lesson {found.name}"),
            " · ",
            html.element("a", "all lessons", href="index.html"),
            kind="quiet",
        ),
        html.section("Why it should be so", html.paragraph(found.reason)),
        html.section("Experiment", html.paragraph(found.experiment)),
        html.section(
            "Rule",
            html.paragraph("The claim holds if all of this is met:"),
            html.bullets(html.join(text, ": ", html.element("strong", MET[met])) for text, met in judged),
        ),
        html.section(
            "What was measured",
            html.table((sample_mask(result), "mean", "95 % interval"), rows),
            html.figure(html.image(data, f"{found.claim} What was measured."), LEGEND),
        ),
    )


def write_markdown(folder: Path, results: list[LessonResult]) -> None:
    """The index, a page for each lesson, and its picture, as Markdown."""
    for result in results:
        write_bytes(folder / f"{result.name}.png", picture(result))
        write_bytes(folder / f"{result.name}.md", markdown_page(result).encode())
    write_bytes(folder / "index.md", markdown_index(results).encode())


def markdown_index(results: list[LessonResult]) -> str:
    """The table of all verdicts."""
    rows = [
        f"| {result.lesson.number} | [{_cell(result.lesson.claim)}]({result.name}.md) "
        f"| {', '.join(result.lesson.items)} | **{result.verdict}** |"
        for result in results
    ]
    return "\n".join(["# Lessons", "", summary(results), "", "| | claim | subject | verdict |", "|-|-|-|-|", *rows, ""])


def summary(results: list[LessonResult]) -> str:
    """What the table shows, in a paragraph."""
    held = sum(result.holds for result in results)
    return (
        f"Claims that are often made of neural networks, each put to the test on stated data with "
        f"{len(results[0].seeds)} seeds. {held} of {len(results)} hold here. Each verdict is computed from the "
        "measured figures by the rule on its page; none is entered by hand."
    )


def markdown_page(result: LessonResult) -> str:
    """One lesson."""
    found = result.lesson
    figures = [
        f"| {_cell(labelled(q))} | {number(q.mean)} | {number(q.low)} to {number(q.high)} |" for q in result.quantities
    ]
    return "\n".join(
        [
            f"# {found.number} {found.claim}",
            "",
            f"Subject {', '.join(found.items)} · `pellucid lesson {found.name}` · [all lessons](index.md)",
            "",
            f"**Verdict: {result.verdict}.**",
            "",
            f"**Why it should be so.** {found.reason}",
            "",
            f"**Experiment.** {found.experiment}",
            "",
            "**Rule.** The claim holds if all of this is met:",
            "",
            *(f"- {text}: **{MET[met]}**" for text, met in found.judged(result.figures)),
            "",
            f"| measured, {sample_mask(result)} | mean | 95 % interval |",
            "|-|-|-|",
            *figures,
            "",
            f"![{found.claim}]({found.name}.png)",
            "",
            LEGEND,
            "",
        ]
    )


MET = {True: "met", False: "not met"}
LEGEND = "Lines: means over the seeds; bands: from the lowest seed to the highest; dots: one a seed; bars: their means."


def sample_mask(result: LessonResult) -> str:
    """Which seeds."""
    return f"seeds {result.seeds[0]} to {result.seeds[-1]}"


def labelled(quantity: Quantity) -> str:
    """Its name, and its unit where it has one."""
    return f"{quantity.name}, {quantity.unit}" if quantity.unit else quantity.name


def _cell(text: str) -> str:
    """Text in a cell of a Markdown table, where a bar would end it."""
    return text.replace("|", "\\|")
