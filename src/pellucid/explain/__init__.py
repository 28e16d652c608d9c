"""One example through a network with every number, a network opened, the catalogue of the subject."""

from pellucid.explain.chain_rule import explain, explain_row
from pellucid.explain.numbers import Explanation
from pellucid.explain.through_time import ThroughTime, through_time

__all__ = ["Explanation", "ThroughTime", "explain", "explain_row", "through_time"]
