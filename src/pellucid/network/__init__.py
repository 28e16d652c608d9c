"""Networks and their backpropagation."""

from pellucid.network.backpropagation import Backpropagation, backpropagate, differentiated_loss
from pellucid.network.graph import AnyNetwork, Graph, build_network
from pellucid.network.masks import declares_padding, mask_arguments, padding_of_input
from pellucid.network.memory import power_of_two, rows_at_once, rows_that_fit
from pellucid.network.sequential import BackwardPass, ForwardPass, Network
from pellucid.network.summary import Summary, summarize
from pellucid.network.tokens import check_tokens, token_layer

__all__ = [
    "AnyNetwork",
    "Backpropagation",
    "BackwardPass",
    "ForwardPass",
    "Graph",
    "Network",
    "Summary",
    "backpropagate",
    "check_tokens",
    "declares_padding",
    "mask_arguments",
    "padding_of_input",
    "token_layer",
    "build_network",
    "differentiated_loss",
    "power_of_two",
    "rows_at_once",
    "rows_that_fit",
    "summarize",
]
