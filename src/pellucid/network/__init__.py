"""Networks, their backpropagation, their summary, padding, tokens and memory."""

from pellucid.network.backpropagation import Backpropagation, backpropagate, differentiated_loss
from pellucid.network.masks import declares_padding, mask_arguments, padding_of_input
from pellucid.network.memory import power_of_two, rows_at_once, rows_that_fit
from pellucid.network.network import BackwardPass, ForwardPass, Network, build_network
from pellucid.network.summary import Summary, summarize
from pellucid.network.tokens import check_tokens, token_layer

__all__ = [
    "Backpropagation",
    "BackwardPass",
    "ForwardPass",
    "Network",
    "Summary",
    "backpropagate",
    "build_network",
    "check_tokens",
    "declares_padding",
    "differentiated_loss",
    "mask_arguments",
    "padding_of_input",
    "power_of_two",
    "rows_at_once",
    "rows_that_fit",
    "summarize",
    "token_layer",
]
