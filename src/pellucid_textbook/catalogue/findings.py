"""The findings of the doctor, a page each, from the doctor's own rules."""

import pellucid.doctor  # enters the rules and their causes
from pellucid.doctor.rule import CAUSES as FINDINGS
from pellucid.doctor.rule import RULES
from pellucid_textbook.page import Page

__all__ = ["FINDINGS", "finding"]
_ = pellucid.doctor


def finding(name: str) -> Page:
    """The page of a finding."""
    cause = FINDINGS[name]
    texts = {
        "meaning": cause.meaning,
        "about": cause.about,
        "formula": cause.formula,
        "how it is found": " ".join(dict.fromkeys(rule.reason for rule in RULES if rule.name == name)),
        "what looks alike": cause.alike,
        "what may help": ", ".join(cause.remedies),
    }
    return Page(name, f"{name} · finding", {head: text for head, text in texts.items() if text})
