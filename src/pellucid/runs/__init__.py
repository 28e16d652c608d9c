"""Runs: settings, training, and the record of a training."""
