"""Notes on a training, kept with the run."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Notes:
    """Notes on a training, as stored in ``notes.json`` and shown on the run's page.

    Args:
        choices: the defaults chosen, such as the output layer and the loss.
        problems: the texts of the `pellucid.DoctorWarning`s before the first step.
        failure: the reason why it diverged; empty if it did not.
        suspicion: the likeliest problem by its records alone, if any; `Run.diagnose` makes sure.
    """

    choices: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    failure: str | None = None
    suspicion: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> "Notes":
        """Read the result of ``to_dict``, ignoring other keys."""
        return Notes(
            tuple(plain.get("choices", ())),
            tuple(plain.get("problems", ())),
            plain.get("failure"),
            plain.get("suspicion"),
        )

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Each note and of which kind it is."""
        pairs = [("chosen", self.choices), ("problem before the first step", self.problems)]
        rows = [(kind, text) for kind, texts in pairs for text in texts]
        if self.failure is not None:
            rows.append(("ended by", self.failure))
        if self.suspicion is not None:
            rows.append(("the doctor suspects", f"{self.suspicion} (by its records alone; a diagnosis makes sure)"))
        return rows
