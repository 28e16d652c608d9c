"""All lessons studied into a folder: results that are kept and reused, pages to read.

The folder holds::

    index.md (or index.html)      the claims and their verdicts, in the order to learn them in
    <name>.md (or <name>.html)    a lesson: claim, reason, experiment, quantities, rule, verdict, exercises
    <name>.svg                    its picture (HTML pages hold it themselves)
    results/<name>.json           what was measured; a lesson whose result is there already is not run again
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from pellucid.core.files import write_bytes
from pellucid.report import html, markdown
from pellucid.report.document import Document, Link, Section, Strong, Table
from pellucid_textbook.lessons.claim import check_seeds, list_lessons
from pellucid_textbook.lessons.study import LessonResult, lesson
from pellucid_textbook.page import picture


def study_all(folder: Path, seeds: int, seed: int) -> Iterator[LessonResult]:
    """Study every lesson in turn; results of the same seeds and the same lesson are taken from the folder."""
    check_seeds(seeds)
    for each in list_lessons():
        path = folder / "results" / f"{each.name}.json"
        result = read_result(path)
        wanted = (tuple(range(seed, seed + seeds)), each.fingerprint)
        if result is None or (result.seeds, result.fingerprint) != wanted:
            result = lesson(each.name, seeds=seeds, seed=seed)
            write_bytes(path, msgspec.json.encode(result))
        yield result


def read_result(path: Path) -> LessonResult | None:
    """The result in a file; None where there is none, or one of another version."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LessonResult)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_pages(folder: Path, results: Sequence[LessonResult], *, as_markdown: bool) -> Path:
    """Write the index and a page for each lesson, as HTML or Markdown; gives the path of the index."""
    render, ending = (markdown.text, "md") if as_markdown else (html.page, "html")
    for result in results:
        image = f"{result.name}.svg" if as_markdown else None
        if image:
            write_bytes(folder / image, picture(result.charts).encode())
        write_bytes(folder / f"{result.name}.{ending}", render(result.document(image, ending)).encode())
    index = folder / f"index.{ending}"
    write_bytes(index, render(index_document(results, ending)).encode())
    return index


def index_document(results: Sequence[LessonResult], ending: str) -> Document:
    """The verdicts, part by part."""
    held = sum(result.holds for result in results)
    parts = []
    for part, members in groupby(results, lambda result: result.lesson.part):
        rows = [
            (
                result.lesson.number,
                Link(result.lesson.claim, f"{result.name}.{ending}"),
                ", ".join(str(each.number) for each in list_lessons() if each.name in result.lesson.after) or "–",
                Strong(result.verdict),
            )
            for result in members
        ]
        parts.append(Section(part, Table(("", "claim", "after", "verdict"), rows)))
    return Document(
        "Lessons",
        f"Claims that are often made about neural networks, each tested on stated data with {len(results[0].seeds)} "
        f"seeds, in the order to learn them in. {held} of {len(results)} hold here. Each verdict is computed from the "
        "measured quantities by the rule on its page; none is entered by hand.",
        *parts,
    )
