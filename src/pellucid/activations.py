"""Activation functions and their derivatives."""

from pellucid.functions.activations import ELU as ELU
from pellucid.functions.activations import GELU as GELU
from pellucid.functions.activations import SELU as SELU
from pellucid.functions.activations import Activation as Activation
from pellucid.functions.activations import Elementwise as Elementwise
from pellucid.functions.activations import Exponential as Exponential
from pellucid.functions.activations import HardSigmoid as HardSigmoid
from pellucid.functions.activations import HardTanh as HardTanh
from pellucid.functions.activations import LeakyReLU as LeakyReLU
from pellucid.functions.activations import Linear as Linear
from pellucid.functions.activations import ReLU as ReLU
from pellucid.functions.activations import Sigmoid as Sigmoid
from pellucid.functions.activations import SiLU as SiLU
from pellucid.functions.activations import Softmax as Softmax
from pellucid.functions.activations import Softplus as Softplus
from pellucid.functions.activations import Softsign as Softsign
from pellucid.functions.activations import Step as Step
from pellucid.functions.activations import Tanh as Tanh
from pellucid.functions.activations import activations as _registry

register = _registry.register
