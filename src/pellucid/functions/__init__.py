"""Activations, losses, metrics, regularisers, initialisers, schedules: a module for each kind."""

# Metrics of a whole set are in the registry of metrics wherever that is.
from pellucid.functions import set_metrics as set_metrics
