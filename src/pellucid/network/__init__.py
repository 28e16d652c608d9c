"""Networks and their backpropagation."""

from pellucid.network.backpropagation import Backpropagation, backpropagate
from pellucid.network.sequential import ForwardPass, Network
from pellucid.network.summary import Summary, summarize

__all__ = ["Backpropagation", "ForwardPass", "Network", "Summary", "backpropagate", "summarize"]
