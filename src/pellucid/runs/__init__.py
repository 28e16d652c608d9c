"""Runs: the settings of a training, the training itself, and the record that it leaves."""
