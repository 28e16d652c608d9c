"""Sections of docstrings, so that the catalogue uses the same words."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

_HEADINGS = "|".join(("Formula", "Args", "Attributes", "Returns", "Raises", "Example", "Others", "Source"))
_SECTION = rf"^{{}}:(.*?)(?=^(?:{_HEADINGS}):|\Z)"


def summary(item: Any) -> str:
    """The first line, without a formula that follows it."""
    line = (inspect.getdoc(item) or "").split("\n")[0]
    return re.split(r"[:,] ``|; ``", line)[0].rstrip(".") + "."


def section(item: Any, heading: str, classes: Mapping[str, type] | None = None) -> str:
    """The first paragraph under a heading, on one line; empty where there is none.

    "as for `X`" is followed to X among ``classes``.
    """
    match = re.search(_SECTION.format(heading), inspect.getdoc(item) or "", re.M | re.S)
    text = " ".join(match.group(1).split("\n\n")[0].replace("``", "").split()) if match else ""
    reference = re.match(r"as for `(\w+)`", text)
    if reference and classes and reference.group(1) in classes:
        return section(classes[reference.group(1)], heading, classes)
    return text


def formula_lines(item: Any) -> str:
    """The lines of the section "Formula", as they are written; empty where there is none."""
    match = re.search(r"^Formula:\n((?:(?:    .*)?\n)+)", (inspect.getdoc(item) or "") + "\n", re.M)
    return inspect.cleandoc(match.group(1)) if match else ""


def arguments(item: Any) -> dict[str, str]:
    """The description of each argument."""
    match = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", inspect.getdoc(item) or "", re.M | re.S)
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", match.group(1), re.M | re.S) if match else []
    return {name: " ".join(words.replace("``", "").split()) for name, words in entries}
