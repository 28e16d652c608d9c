"""The rules that read a finished training: its records, its trials, and the network that it left."""

from pellucid.doctor.fit import FIT
from pellucid.doctor.learnable import LEARNABLE
from pellucid.doctor.signals import SIGNALS
from pellucid.doctor.steps import STEPS

RULES = (*STEPS, *FIT, *SIGNALS, *LEARNABLE)
"""All of them."""
