"""What the docstrings of the house already say, section by section, so that the catalogue says it in the same words."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

HEADINGS = ("Formula", "Args", "Attributes", "Returns", "Raises", "Example", "Others", "Source")
_AS_FOR = re.compile(r"^as for `(\w+)`")


def summary(item: Any) -> str:
    """The first line, without a formula that follows a colon and without the subject's number."""
    line = (inspect.getdoc(item) or "").split("\n")[0]
    return re.sub(r" \(subject [\d., ]+\)", "", re.split(r"[:,] ``|; ``", line)[0]).rstrip(".") + "."


def section(item: Any, heading: str, classes: Mapping[str, type] | None = None) -> str:
    """The text under a heading, on one line; empty where there is none.

    Args:
        item: a class.
        heading: one of `HEADINGS`.
        classes: by class name; "as for `X`" is followed to X among them.
    """
    text = inspect.getdoc(item) or ""
    match = re.search(rf"^{heading}:(.*?)(?=^(?:{'|'.join(HEADINGS)}):|\Z)", text, re.M | re.S)
    if match is None:
        return ""
    found = match.group(1).split("\n\n")[0] if heading in ("Others", "Source") else match.group(1)
    if heading == "Formula":  # until the first paragraph that is not indented
        lines = [line for line in re.split(r"\n(?=\S)", match.group(1))[0].splitlines() if line.strip()]
        text = "; ".join(line.strip().rstrip(";") for line in _joined(lines))
        return re.sub(" +", " ", text.replace("`", ""))
    found = " ".join(found.replace("``", "").split())
    reference = _AS_FOR.match(found)
    if reference and classes and reference.group(1) in classes:
        return section(classes[reference.group(1)], heading, classes)
    return found


def _joined(lines: list[str]) -> list[str]:
    """Formula lines, those that only go on joined to the line before."""
    joined: list[str] = []
    for line in lines:
        if joined and joined[-1].rstrip().endswith((",", "and", "on", "with")):
            joined[-1] = f"{joined[-1].rstrip()} {line.strip()}"
        else:
            joined.append(line)
    return joined


def arguments(item: Any) -> dict[str, str]:
    """What the docstring says of each argument."""
    text = inspect.getdoc(item) or ""
    match = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", text, re.M | re.S)
    if match is None:
        return {}
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", match.group(1), re.M | re.S)
    return {name: " ".join(words.replace("``", "").split()) for name, words in entries}
