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
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.architectures.autoencoder import Autoencoder, autoencoder, convolutional_autoencoder
    from pellucid.architectures.convolutional import convolutional
    from pellucid.architectures.feedforward import feedforward
    from pellucid.architectures.recurrent import recurrent
    from pellucid.architectures.spiking import spiking
    from pellucid.core.errors import (
        DataError,
        DoctorWarning,
        InvalidValue,
        MissingExtra,
        PellucidError,
        ResumeWarning,
        ShapeError,
        StorageError,
        TrainingDiverged,
        UnknownName,
    )
    from pellucid.data import (
        Dataset,
        gaussian_grid,
        gaussian_ring,
        list_datasets,
        load_dataset,
        load_pairs,
        load_table,
        make_dataset,
        mode_coverage,
        prepare_translations,
        reconstruction,
    )
    from pellucid.doctor import Checkup, Finding, check, diagnose, prove
    from pellucid.explain import Explanation, ThroughTime, explain, through_time
    from pellucid.layers import (
        GRU,
        LSTM,
        RNN,
        Activation,
        Add,
        Attention,
        AveragePool1D,
        AveragePool2D,
        BatchNorm,
        Bidirectional,
        Code,
        Concatenate,
        Conv1D,
        Conv2D,
        ConvTranspose1D,
        ConvTranspose2D,
        Dense,
        Dropout,
        Embedding,
        Flatten,
        Frozen,
        GaussianNoise,
        GlobalAveragePool,
        GlobalMaxPool,
        Layer,
        LayerNorm,
        LeakyIntegrateAndFire,
        MaskingNoise,
        MaxPool1D,
        MaxPool2D,
        MeanOverTime,
        Multiply,
        Repeat,
        Reshape,
    )
    from pellucid.network import Network, backpropagate, summarize
    from pellucid.optimizers import (
        SGD,
        Adadelta,
        Adagrad,
        Adam,
        Adamax,
        AdamW,
        GradientDescent,
        Momentum,
        NAdam,
        Nesterov,
        RMSprop,
    )
    from pellucid.runs.compare import Comparison, compare
    from pellucid.runs.gan import gan_networks, resume_gan, train_gan
    from pellucid.runs.gan_run import GanRun, load_gan
    from pellucid.runs.run import Run, load_run
    from pellucid.runs.train import resume_run, train
    from pellucid.runs.translation import Translator, translator
    from pellucid.training import EarlyStopping, GradientPenalty, WeightClipping
    from pellucid_textbook.catalogue import show
    from pellucid_textbook.lessons import lesson, list_lessons
    from pellucid_textbook.neuron import BiologicalNeuron, firing_rate_curve
    from pellucid_textbook.perceptron import Perceptron
    from pellucid_textbook.separability import separability

_HOMES = {
    "pellucid.core.errors": (
        "DataError",
        "DoctorWarning",
        "InvalidValue",
        "MissingExtra",
        "PellucidError",
        "ResumeWarning",
        "ShapeError",
        "StorageError",
        "TrainingDiverged",
        "UnknownName",
    ),
    "pellucid.data": (
        "Dataset",
        "gaussian_grid",
        "gaussian_ring",
        "list_datasets",
        "load_dataset",
        "load_pairs",
        "load_table",
        "make_dataset",
        "mode_coverage",
        "prepare_translations",
        "reconstruction",
    ),
    "pellucid.doctor": ("Checkup", "Finding", "check", "diagnose", "prove"),
    "pellucid.explain": ("Explanation", "ThroughTime", "explain", "through_time"),
    "pellucid_textbook.catalogue": ("show",),
    "pellucid.layers": (
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
    ),
    "pellucid_textbook.lessons": ("lesson", "list_lessons"),
    "pellucid.architectures.autoencoder": ("Autoencoder", "autoencoder", "convolutional_autoencoder"),
    "pellucid.architectures.convolutional": ("convolutional",),
    "pellucid.architectures.feedforward": ("feedforward",),
    "pellucid.architectures.recurrent": ("recurrent",),
    "pellucid.architectures.spiking": ("spiking",),
    "pellucid.runs.compare": ("Comparison", "compare"),
    "pellucid.runs.gan": ("gan_networks", "resume_gan", "train_gan"),
    "pellucid.runs.gan_run": ("GanRun", "load_gan"),
    "pellucid.runs.run": ("Run", "load_run"),
    "pellucid.runs.train": ("resume_run", "train"),
    "pellucid.runs.translation": ("Translator", "translator"),
    "pellucid_textbook.neuron": ("BiologicalNeuron", "firing_rate_curve"),
    "pellucid_textbook.perceptron": ("Perceptron",),
    "pellucid_textbook.separability": ("separability",),
    "pellucid.network": ("Network", "backpropagate", "summarize"),
    "pellucid.optimizers": (
        "SGD",
        "Adadelta",
        "Adagrad",
        "Adam",
        "AdamW",
        "Adamax",
        "GradientDescent",
        "Momentum",
        "NAdam",
        "Nesterov",
        "RMSprop",
    ),
    "pellucid.training": ("EarlyStopping", "GradientPenalty", "WeightClipping"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__version__ = "0.1.0"

__all__ = [
    "Activation",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Add",
    "Attention",
    "Autoencoder",
    "AveragePool1D",
    "AveragePool2D",
    "BatchNorm",
    "Bidirectional",
    "BiologicalNeuron",
    "Checkup",
    "Code",
    "Comparison",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "ConvTranspose1D",
    "ConvTranspose2D",
    "DataError",
    "Dataset",
    "Dense",
    "DoctorWarning",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "Explanation",
    "Finding",
    "Flatten",
    "Frozen",
    "GRU",
    "GanRun",
    "GaussianNoise",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "GradientDescent",
    "GradientPenalty",
    "InvalidValue",
    "LSTM",
    "Layer",
    "LayerNorm",
    "LeakyIntegrateAndFire",
    "MaskingNoise",
    "MaxPool1D",
    "MaxPool2D",
    "MeanOverTime",
    "MissingExtra",
    "Momentum",
    "Multiply",
    "NAdam",
    "Nesterov",
    "Network",
    "PellucidError",
    "Perceptron",
    "RMSprop",
    "RNN",
    "Repeat",
    "Reshape",
    "ResumeWarning",
    "Run",
    "SGD",
    "ShapeError",
    "StorageError",
    "ThroughTime",
    "TrainingDiverged",
    "Translator",
    "UnknownName",
    "WeightClipping",
    "autoencoder",
    "backpropagate",
    "check",
    "compare",
    "convolutional",
    "convolutional_autoencoder",
    "diagnose",
    "explain",
    "feedforward",
    "firing_rate_curve",
    "gan_networks",
    "gaussian_grid",
    "gaussian_ring",
    "lesson",
    "list_datasets",
    "list_lessons",
    "load_dataset",
    "load_gan",
    "load_pairs",
    "load_run",
    "load_table",
    "make_dataset",
    "mode_coverage",
    "prepare_translations",
    "prove",
    "reconstruction",
    "recurrent",
    "resume_gan",
    "resume_run",
    "separability",
    "show",
    "spiking",
    "summarize",
    "through_time",
    "train",
    "train_gan",
    "translator",
]


class _Face(ModuleType):
    """This module, whose public names no submodule takes: ``explain`` is the function, not its package."""

    def __setattr__(self, name: str, value: Any) -> None:
        # When a submodule is first imported, the import system sets it here under its name.
        if not (isinstance(value, ModuleType) and name in _MODULE_OF):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
