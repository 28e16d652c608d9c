"""Activations, losses, metrics, regularisers, initialisers, schedules: a module for each kind."""

# What these register is in the registries of losses and metrics wherever those are.
from pellucid.functions import ctc as ctc
from pellucid.functions import focal as focal
from pellucid.functions import losses_of_numbers as losses_of_numbers
from pellucid.functions import set_metrics as set_metrics
from pellucid.functions import transcription as transcription
