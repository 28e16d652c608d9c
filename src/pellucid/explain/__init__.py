"""One example through a network with every number, and a weight, neuron or layer along its training."""

from pellucid.explain.example import explain, explain_row
from pellucid.explain.explanation import Explanation
from pellucid.explain.through_time import ThroughTime, through_time

__all__ = ["Explanation", "ThroughTime", "explain", "explain_row", "through_time"]
