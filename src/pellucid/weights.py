"""Weights from PyTorch and Keras models, and to them."""

from pellucid.runs.peers import from_keras as from_keras
from pellucid.runs.peers import from_torch as from_torch
from pellucid.runs.peers import to_keras as to_keras
from pellucid.runs.peers import to_torch as to_torch
