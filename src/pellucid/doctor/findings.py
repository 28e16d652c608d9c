"""What the doctor says: a finding is a named cause with its evidence, never a symptom alone."""

from dataclasses import dataclass, field
from typing import Any, Literal

from pellucid.doctor.vocabulary import VOCABULARY

Severity = Literal["problem", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("problem", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One cause.

    Args:
        label: its name in `VOCABULARY`.
        severity: ``"problem"`` where the training fails or cannot work as it is, ``"warning"`` where it works but
            could fail or be better, ``"note"`` for what is worth knowing.
        probability: how sure the doctor is that this cause holds here, in [0, 1].
        evidence: the numbers that speak for it, by name.
        because: one sentence with these numbers, in the subject's words.

    Example:
        >>> Finding("learning_rate_too_high", "problem", 0.9, {"loss rose by": 3.0}, "the loss rose").remedies[0]
        'smaller learning rate'
    """

    label: str
    severity: Severity
    probability: float
    evidence: dict[str, Any] = field(default_factory=dict)
    because: str = ""

    @property
    def name(self) -> str:
        """The label in words."""
        return self.label.replace("_", " ")

    @property
    def definition(self) -> str:
        """What the label means."""
        return VOCABULARY[self.label].definition

    @property
    def remedies(self) -> tuple[str, ...]:
        """What may help, by name; to be proven, not believed."""
        return VOCABULARY[self.label].remedies

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
        if self.because:
            lines.append(f"  {self.because}")
        lines.append(f"  may help: {', '.join(self.remedies)}")
        return "\n".join(lines)


def _plain(value: Any) -> Any:
    number = value.item() if hasattr(value, "item") else value
    return round(number, 6) if isinstance(number, float) else number
