"""pellucid: neural networks you can see through.

Everything public is here; each name is imported when it is first used, so that ``import pellucid`` and
``pellucid --help`` stay fast.

Example:
    >>> import pellucid as pel
    >>> network = pel.Network(pel.Dense(128, "relu"), pel.Dense(10, "softmax"))
    >>> network.names
    ('dense_1', 'relu_1', 'dense_2', 'softmax_1')
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.core.checks import (
        DataError,
        InvalidValue,
        MissingExtra,
        PellucidError,
        ShapeError,
        StorageError,
        TrainingDiverged,
        UnknownName,
    )
    from pellucid.data import Dataset, list_datasets, load_dataset, load_table, make_dataset
    from pellucid.layers import Activation, Dense, Dropout, Flatten, Layer, Reshape
    from pellucid.models import (
        Perceptron,
        Run,
        feedforward,
        load_run,
        resume_run,
        separability,
        train,
    )
    from pellucid.network import Network, backpropagate, summarize
    from pellucid.optimizers import SGD, Adagrad, Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSprop
    from pellucid.training import EarlyStopping

_HOMES = {
    "pellucid.core.checks": (
        "DataError", "InvalidValue", "MissingExtra", "PellucidError", "ShapeError", "StorageError",
        "TrainingDiverged", "UnknownName",
    ),
    "pellucid.data": ("Dataset", "list_datasets", "load_dataset", "load_table", "make_dataset"),
    "pellucid.layers": ("Activation", "Dense", "Dropout", "Flatten", "Layer", "Reshape"),
    "pellucid.models": (
        "Perceptron", "Run", "feedforward", "load_run", "resume_run", "separability", "train",
    ),
    "pellucid.network": ("Network", "backpropagate", "summarize"),
    "pellucid.optimizers": (
        "SGD", "Adagrad", "Adam", "AdamW", "GradientDescent", "Momentum", "Nesterov", "RMSprop",
    ),
    "pellucid.training": ("EarlyStopping",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__version__ = "0.1.0"

__all__ = [
    "Activation",
    "Adagrad",
    "Adam",
    "AdamW",
    "DataError",
    "Dataset",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "Flatten",
    "GradientDescent",
    "InvalidValue",
    "Layer",
    "MissingExtra",
    "Momentum",
    "Nesterov",
    "Network",
    "PellucidError",
    "Perceptron",
    "RMSprop",
    "Reshape",
    "Run",
    "SGD",
    "ShapeError",
    "StorageError",
    "TrainingDiverged",
    "UnknownName",
    "backpropagate",
    "feedforward",
    "list_datasets",
    "load_dataset",
    "load_run",
    "load_table",
    "make_dataset",
    "resume_run",
    "separability",
    "summarize",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
