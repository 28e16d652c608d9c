"""A case's file: the program, and apart from it the answers to score with."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READ = (
    "task",
    "data",
    "network",
    "loss",
    "loss_options",
    "threshold",
    "regularization",
    "optimizer",
    "epochs",
    "batch_size",
    "shuffle",
    "class_weights",
    "metric",
    "latent",
    "steps",
    "discriminator_steps",
)
"""The fields that a program's author has; nothing else of a case is read to make its run."""


class CannotTranslate(ValueError):
    """A program with something that pellucid has no counterpart of."""


@dataclass(frozen=True)
class Case:
    """One file: the program, and apart from it the answers to score with."""

    identity: str
    origin: str
    program: dict[str, Any]
    primary: str | None
    faults: tuple[str, ...]
    tolerated: tuple[str, ...]
    folder: Path

    @property
    def aside(self) -> bool:
        """Whether it belongs to the third of the cases that is not looked at while the doctor is tuned."""
        return int(hashlib.sha256(self.identity.encode()).hexdigest(), 16) % 3 == 0


def read_cases(folder: Path) -> Iterator[Case]:
    """All cases of a folder, by file name."""
    for path in sorted(folder.glob("*.json")):
        if path.name == "faults.json":
            continue
        plain = json.loads(path.read_text())
        yield Case(
            plain["id"],
            plain["origin"],
            {name: plain[name] for name in READ if name in plain},
            plain.get("primary_fault"),
            tuple(plain["faults"]),
            tuple(plain.get("tolerated") or ()),
            folder,
        )
