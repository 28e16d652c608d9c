"""One example through a network with every number, a network opened, the catalogue of the subject."""

from pellucid.explanations.chain_rule import explain, explain_row
from pellucid.explanations.numbers import Explanation
from pellucid.explanations.through_time import ThroughTime, through_time

__all__ = ["Explanation", "ThroughTime", "explain", "explain_row", "through_time"]
