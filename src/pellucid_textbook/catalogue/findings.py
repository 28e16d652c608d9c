"""The findings of the doctor, a page each: meaning, symptoms and remedies from the doctor's own causes and rules."""

import pellucid.doctor.rules  # enters the causes  # noqa: F401
from pellucid.doctor.rule import CAUSES, RULES
from pellucid.report.document import Table
from pellucid_textbook.page import Content, Formulas, Page


def finding(name: str) -> Page:
    """The page of a finding."""
    cause, rules = CAUSES[name], [rule for rule in RULES if rule.name == name]
    sections: dict[str, Content] = {"meaning": f"{_sentence(cause.meaning)} {cause.about}"}
    if cause.formula:
        sections["formula"] = Formulas({"": cause.formula})
    sections["symptoms"] = {
        (rule.judge.__doc__ or "").strip().splitlines()[0].rstrip("."): _sentence(rule.reason) for rule in rules
    }
    limits = {key.replace("_", " "): limit for rule in rules for key, limit in rule.limits.items()}
    if limits:
        sections["limits"] = Table(("limit", "value", "reason"), [(key, *limit) for key, limit in limits.items()])
    sections["looks alike"] = cause.alike
    sections["remedies"] = ", ".join(cause.remedies)
    sections["test"] = "pellucid prove RUN tries the remedies on your training."
    return Page(name, f"{name} · finding", sections)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
