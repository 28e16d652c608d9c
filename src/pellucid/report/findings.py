"""What the doctor found, on the page of a run: each cause with its probability, its evidence and what may help."""

from collections.abc import Mapping, Sequence
from typing import Any

from pellucid.report.old_chart import drawing, mark
from pellucid.report.page import Html, element, facts, paragraph, section

PAGES = "https://github.com/pellucid/pellucid/tree/main/docs/findings"
"""Where the page of each finding stands, by its label."""
COLOURS = {"problem": "#D55E00", "warning": "#E69F00", "note": "#0072B2"}
"""Of a severity; its word stands beside it."""


def page_of(label: str) -> str:
    """The address of a finding's page.

    Example:
        >>> page_of("dead_relu").rsplit("/", 1)[1]
        'dead_relu.md'
    """
    return f"{PAGES}/{label}.md"


def findings_section(findings: Sequence[Mapping[str, Any]], compared: str | None = None) -> Html:
    """The section of a diagnosis.

    Args:
        findings: likeliest first, as `Finding.to_dict` gives them.
        compared: how the network does beside other methods, in a sentence.
    """
    if not findings:
        return section("Findings", paragraph(f"Nothing was found{f': {compared}' if compared else ''}."))
    return section(
        "Findings",
        paragraph(
            "Causes, the likeliest first, each with the probability that it holds here. A problem keeps the network "
            "behind what other methods reach on the same rows; a warning does not. What helps, experiments decide.",
            kind="quiet",
        ),
        *map(_finding, findings),
    )


def _finding(found: Mapping[str, Any]) -> Html:
    severity, probability = str(found["severity"]), float(found["probability"])
    evidence = dict(found.get("evidence") or {})
    return element(
        "div",
        element("h3", str(found["label"]).replace("_", " ")),
        element("p", _bar(severity, probability), f" {severity}, {probability:.0%}", class_="odds"),
        paragraph(_sentence(str(found.get("because") or found["definition"]))),
        facts(evidence.items()) if evidence else None,
        paragraph("May help: ", ", ".join(found.get("remedies") or ()), ".") if found.get("remedies") else None,
        paragraph(
            _sentence(str(found["definition"])),
            " ",
            element("a", "More on this finding", href=page_of(str(found["label"]))),
            ".",
            kind="quiet",
        ),
        class_=f"finding {severity}",
    )


def _bar(severity: str, probability: float) -> Html:
    """A probability as a bar, full at 1."""
    wide = 120
    return drawing(
        wide,
        10,
        f"probability {probability:.0%}",
        mark("path", d=f"M0 0h{wide}v10H0z", fill="#e4e4e4"),
        mark("path", d=f"M0 0h{wide * probability:.1f}v10H0z", fill=COLOURS.get(severity, "#777")),
    )


def _sentence(text: str) -> str:
    """A clause as a sentence: a capital in front, a stop at the end."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
