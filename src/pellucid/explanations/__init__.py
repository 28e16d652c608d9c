"""Explanations: one example with every number; a weight, neuron or layer along its training."""

from pellucid.explanations.by_hand import read_exercise
from pellucid.explanations.example import explain, explain_exercise, explain_row
from pellucid.explanations.explanation import Explanation
from pellucid.explanations.through_time import ThroughTime, through_time

__all__ = ["Explanation", "ThroughTime", "explain", "explain_exercise", "explain_row", "read_exercise", "through_time"]
