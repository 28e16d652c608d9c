"""Sweeps: search a space of settings, many trainings side by side."""

from pellucid.sweeps.importance import importances
from pellucid.sweeps.result import Sweep
from pellucid.sweeps.run import load, sweep
from pellucid.sweeps.space import Range
from pellucid.sweeps.trial import Trial

__all__ = ["Range", "Sweep", "Trial", "importances", "load", "sweep"]
