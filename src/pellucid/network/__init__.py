"""Networks, their backpropagation, their summary, padding, tokens and memory."""

from pellucid.network.arrays import ByLayer as ByLayer
from pellucid.network.arrays import arrays_by_layer as arrays_by_layer
from pellucid.network.arrays import shapes_by_layer as shapes_by_layer
from pellucid.network.arrays import with_arrays as with_arrays
from pellucid.network.backpropagation import Backpropagation as Backpropagation
from pellucid.network.backpropagation import backpropagate as backpropagate
from pellucid.network.backpropagation import differentiated_loss as differentiated_loss
from pellucid.network.masks import declares_padding as declares_padding
from pellucid.network.masks import mask_arguments as mask_arguments
from pellucid.network.masks import padding_of_input as padding_of_input
from pellucid.network.memory import power_of_two as power_of_two
from pellucid.network.memory import rows_at_once as rows_at_once
from pellucid.network.memory import rows_that_fit as rows_that_fit
from pellucid.network.network import ForwardPass as ForwardPass
from pellucid.network.network import Network as Network
from pellucid.network.network import build_network as build_network
from pellucid.network.patterns import freeze as freeze
from pellucid.network.patterns import matching as matching
from pellucid.network.patterns import rate_factors as rate_factors
from pellucid.network.patterns import thawed as thawed
from pellucid.network.patterns import trained_layers as trained_layers
from pellucid.network.summary import Summary as Summary
from pellucid.network.summary import summarize as summarize
from pellucid.network.tokens import check_tokens as check_tokens
from pellucid.network.tokens import token_layer as token_layer
