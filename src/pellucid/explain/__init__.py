"""One example through a network with every number, a network opened, the catalogue of the subject."""

from pellucid.explain.chain_rule import explain, explain_row
from pellucid.explain.numbers import Explanation

__all__ = ["Explanation", "explain", "explain_row"]
