"""Layers: each a frozen dataclass with its own forward and backward."""

from pellucid.layers.activation import Activation
from pellucid.layers.attention import Attention
from pellucid.layers.code import Code
from pellucid.layers.convolution import Conv1D, Conv2D, ConvTranspose1D, ConvTranspose2D
from pellucid.layers.dense import Dense
from pellucid.layers.dropout import Dropout
from pellucid.layers.embedding import Embedding
from pellucid.layers.frozen import Frozen
from pellucid.layers.gru import GRU
from pellucid.layers.layer import Layer, layers
from pellucid.layers.lstm import LSTM
from pellucid.layers.merge import Add, Concatenate, Multiply
from pellucid.layers.noise import GaussianNoise, MaskingNoise
from pellucid.layers.normalization import BatchNorm, LayerNorm
from pellucid.layers.pooling import AveragePool1D, AveragePool2D, GlobalAveragePool, GlobalMaxPool, MaxPool1D, MaxPool2D
from pellucid.layers.recurrent import RNN, Bidirectional
from pellucid.layers.reshape import Flatten, Reshape
from pellucid.layers.spiking import LeakyIntegrateAndFire, MeanOverTime, Repeat

register = layers.register

__all__ = [
    "Activation",
    "Add",
    "Attention",
    "AveragePool1D",
    "AveragePool2D",
    "BatchNorm",
    "Bidirectional",
    "Code",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "ConvTranspose1D",
    "ConvTranspose2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "Frozen",
    "GRU",
    "GaussianNoise",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "LSTM",
    "Layer",
    "LayerNorm",
    "LeakyIntegrateAndFire",
    "MaskingNoise",
    "MaxPool1D",
    "MaxPool2D",
    "MeanOverTime",
    "Multiply",
    "RNN",
    "Repeat",
    "Reshape",
    "layers",
    "register",
]
