"""A finding is a named cause with its evidence, never a symptom alone."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from pellucid.doctor.rule import CAUSES
from pellucid.report import html
from pellucid.report.doctor import findings_section
from pellucid.report.document import Document

Severity = Literal["problem", "warning", "note"]


@dataclass(frozen=True, repr=False)
class Finding:
    """One cause.

    Args:
        label: its name.
        severity: ``"problem"`` where the training fails or cannot work as it is, ``"warning"`` where it works but
            could fail or be better, ``"note"`` for what is worth knowing.
        probability: how likely the cause holds here, in [0, 1].
        evidence: the measurements that speak for it, by name.
        because: a clause with these numbers.
        offers: the remedies that would change this training; None where that is not known.

    Example:
        >>> Finding("learning_rate_too_high", "problem", 0.9, {"loss rose by": 3.0}, "the loss rose").remedies[0]
        'smaller learning rate'
    """

    label: str
    severity: Severity
    probability: float
    evidence: dict[str, Any] = field(default_factory=dict)
    because: str = ""
    offers: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The label in words."""
        return self.label.replace("_", " ")

    @property
    def line(self) -> str:
        """Cause, probability and reason in one line."""
        return f"{self.name} ({self.probability:.0%}): {self.because}"

    @property
    def definition(self) -> str:
        """The meaning of the label."""
        return CAUSES[self.label].meaning

    @property
    def remedies(self) -> tuple[str, ...]:
        """Names of what may help and the training does not have already; `prove` tries them."""
        return CAUSES[self.label].remedies if self.offers is None else self.offers

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        return {
            "label": self.label,
            "severity": self.severity,
            "probability": round(self.probability, 3),
            "because": self.because,
            "evidence": {name: _plain(value) for name, value in self.evidence.items()},
            "definition": self.definition,
            "remedies": list(self.remedies),
        }

    def __str__(self) -> str:
        lines = [f"{self.severity}: {self.name} ({self.probability:.0%})"]
        lines += [f"  {self.because}"] * bool(self.because)
        lines += [f"  may help: {', '.join(self.remedies)}"] * bool(self.remedies)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return html.fragment(Document("", *findings_section([self.to_dict()]).blocks[1:]))

    def __repr__(self) -> str:
        return f"<Finding: {self.severity}, {self.name}, {self.probability:.0%}>"


def _plain(value: Any) -> Any:
    number = value.item() if hasattr(value, "item") else value
    return round(number, 6) if isinstance(number, float) else number


class Findings(list[Finding]):
    """The findings of a diagnosis, likeliest first, and the network beside the baselines."""

    def __init__(self, findings: Iterable[Finding] = (), compared: Any = "") -> None:
        super().__init__(findings)
        self._compared = compared

    @property
    def compared(self) -> str:
        """The network beside the baselines on the same rows, in a sentence with the metrics."""
        if not isinstance(self._compared, str):  # the baselines are fitted only now
            self._compared = self._compared.compared
        return self._compared

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or f"nothing found: {self.compared}"

    def _repr_html_(self) -> str:
        plain = [finding.to_dict() for finding in self]
        compared = "" if plain else self.compared
        return html.fragment(Document("Findings", *findings_section(plain, compared).blocks))


def counted(number: int, noun: str) -> str:
    """A number of things in words.

    Example:
        >>> counted(1, "row"), counted(2, "row"), counted(3, "class")
        ('1 row', '2 rows', '3 classes')
    """
    plural = "" if number == 1 else "es" if noun.endswith(("s", "x", "tch")) else "s"
    return f"{number} {noun}{plural}"


def percent(fraction: float) -> str:
    """A fraction in per cent, with the digits that distinguish it from none and from all.

    Example:
        >>> percent(0.124), percent(0.0004), percent(0.9983), percent(1.0), percent(1e-9)
        ('12%', '0.04%', '99.8%', '100%', 'under 0.01%')
    """
    least = 100 * min(abs(fraction), abs(1 - fraction))
    if 0 < least < 0.01:
        return "under 0.01%" if fraction < 0.5 else "over 99.99%"
    return f"{100 * fraction:.{max(0, -math.floor(math.log10(least))) if least else 0}f}%"
