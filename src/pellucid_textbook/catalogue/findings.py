"""The findings of the doctor, a page each, from the doctor's own vocabulary."""

from pellucid.doctor.vocabulary import VOCABULARY as FINDINGS
from pellucid_textbook.page import Page


def finding(name: str) -> Page:
    """The page of a finding."""
    cause = FINDINGS[name]
    return Page(name, f"{name} · finding", {"meaning": cause.definition, "what may help": ", ".join(cause.remedies)})
