"""Layers: each a frozen dataclass with its own forward and backward."""

from pellucid.layers.activation import Activation as Activation
from pellucid.layers.attention import Attention as Attention
from pellucid.layers.augmentation import Cutout as Cutout
from pellucid.layers.augmentation import FrequencyMask as FrequencyMask
from pellucid.layers.augmentation import Mixup as Mixup
from pellucid.layers.augmentation import RandomCrop as RandomCrop
from pellucid.layers.augmentation import RandomFlip as RandomFlip
from pellucid.layers.augmentation import RandomRotation as RandomRotation
from pellucid.layers.augmentation import RandomShift as RandomShift
from pellucid.layers.augmentation import TimeMask as TimeMask
from pellucid.layers.code import Code as Code
from pellucid.layers.convolution import Conv1D as Conv1D
from pellucid.layers.convolution import Conv2D as Conv2D
from pellucid.layers.convolution import ConvTranspose1D as ConvTranspose1D
from pellucid.layers.convolution import ConvTranspose2D as ConvTranspose2D
from pellucid.layers.dense import Dense as Dense
from pellucid.layers.embedding import Embedding as Embedding
from pellucid.layers.frozen import Frozen as Frozen
from pellucid.layers.layer import Layer as Layer
from pellucid.layers.layer import layers as layers
from pellucid.layers.merge import Add as Add
from pellucid.layers.merge import Concatenate as Concatenate
from pellucid.layers.merge import Distance as Distance
from pellucid.layers.merge import Multiply as Multiply
from pellucid.layers.noise import Dropout as Dropout
from pellucid.layers.noise import GaussianNoise as GaussianNoise
from pellucid.layers.noise import MaskingNoise as MaskingNoise
from pellucid.layers.normalization import BatchNorm as BatchNorm
from pellucid.layers.normalization import LayerNorm as LayerNorm
from pellucid.layers.pooling import AveragePool1D as AveragePool1D
from pellucid.layers.pooling import AveragePool2D as AveragePool2D
from pellucid.layers.pooling import GlobalAveragePool as GlobalAveragePool
from pellucid.layers.pooling import GlobalMaxPool as GlobalMaxPool
from pellucid.layers.pooling import MaxPool1D as MaxPool1D
from pellucid.layers.pooling import MaxPool2D as MaxPool2D
from pellucid.layers.pooling import MeanOverTime as MeanOverTime
from pellucid.layers.recurrent import GRU as GRU
from pellucid.layers.recurrent import LSTM as LSTM
from pellucid.layers.recurrent import RNN as RNN
from pellucid.layers.recurrent import Bidirectional as Bidirectional
from pellucid.layers.reshape import Flatten as Flatten
from pellucid.layers.reshape import Reshape as Reshape
from pellucid.layers.spiking import LeakyIntegrateAndFire as LeakyIntegrateAndFire
from pellucid.layers.spiking import Repeat as Repeat

register = layers.register
