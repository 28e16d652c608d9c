"""What may help, by name: each remedy turns a training into one or more others. To be proven, not believed."""

from pellucid.doctor.remedies import ends, network, rows, steps
from pellucid.doctor.remedies.table import REMEDIES, candidates, offered, setup_to_offer

__all__ = ["REMEDIES", "candidates", "ends", "network", "offered", "rows", "setup_to_offer", "steps"]
