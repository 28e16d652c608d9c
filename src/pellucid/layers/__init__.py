"""Layers: each a frozen dataclass with its own forward and backward."""

from pellucid.layers.activation import Activation
from pellucid.layers.dense import Dense
from pellucid.layers.dropout import Dropout
from pellucid.layers.layer import Layer, layers
from pellucid.layers.reshape import Flatten, Reshape

__all__ = ["Activation", "Dense", "Dropout", "Flatten", "Layer", "Reshape", "layers"]
