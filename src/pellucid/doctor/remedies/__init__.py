"""What may help, by name: each remedy turns a training into one or more others. To be proven, not believed."""

from pellucid.doctor.remedies import adversarial, network, output, rows, steps
from pellucid.doctor.remedies.steps import steps_of_epoch
from pellucid.doctor.remedies.table import REMEDIES, changes, offered, plan_of_run, ready_of, settled

__all__ = [
    "REMEDIES",
    "adversarial",
    "changes",
    "network",
    "offered",
    "output",
    "plan_of_run",
    "ready_of",
    "rows",
    "settled",
    "steps",
    "steps_of_epoch",
]
