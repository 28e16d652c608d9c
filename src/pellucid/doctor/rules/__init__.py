"""The rules, one file a family; importing this enters them all."""

from pellucid.doctor.rules import inputs, targets, columns, output, network, steps, fit, signals, adversarial  # noqa: I001 (ties go to the first)

__all__ = ["adversarial", "columns", "fit", "inputs", "network", "output", "signals", "steps", "targets"]
