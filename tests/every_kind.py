"""Small runs of every kind, and what a second process makes of their folders: ``python every_kind.py FOLDER``."""

import json
import sys
from pathlib import Path

import msgspec
import numpy as np

import pellucid as pel
from pellucid.core.errors import InvalidValue
from pellucid.doctor.diagnose import diagnose
from pellucid.functions.schedules import OnPlateau

ROWS = 85  # with a validation part taken from them, an epoch is a step shorter
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 4)).astype(np.float32)
NUMBERS = (X[:, 0] - 2 * X[:, 1] + 0.1 * RNG.normal(size=ROWS)).astype(np.float32)
BINARY = (NUMBERS > 0).astype(int)
CLASSES = np.digitize(NUMBERS, [-1, 1])
LABELS = np.stack([BINARY, X[:, 2] + X[:, 3] > 0], axis=1).astype(int)
IMAGES = RNG.normal(size=(ROWS, 6, 6, 1)).astype(np.float32) + BINARY[:, None, None, None]


def arrays(x, y, **options):
    """A dataset that has no name to be opened by."""
    return pel.make_dataset(x, y, seed=0, name="custom arrays", **options)


DATA = {
    "multiclass": arrays(X, CLASSES),
    "regression": arrays(X, NUMBERS),
    "multilabel": arrays(X, LABELS, task="multilabel"),
    "images": arrays(IMAGES, BINARY),
    "sequences": arrays(X[:, :, None], CLASSES),
}
CONVOLUTION = pel.Network(
    pel.Conv2D(2, 3), pel.BatchNorm(), pel.Activation("relu"), pel.Flatten(), pel.Dense(1, "sigmoid")
)
RECURRENT = pel.Network(pel.LSTM(4), pel.Dense(3, "softmax"))
BRANCHES = pel.Network.graph(
    inputs="x",
    nodes={
        "left": (pel.Dense(4, "relu"), "x"),
        "right": (pel.Dense(4, "tanh"), "x"),
        "both": (pel.layers.Concatenate(), ("left", "right")),
        "out": (pel.Dense(3, "softmax"), "both"),
    },
    outputs="out",
)
PATIENT = {"early_stopping": 3, "optimizer": pel.Adam(0.05), "epochs": 20}
STOPPED = "sample weights, stopped early"
KINDS = {
    "by name, class weights": ((8,), pel.load_dataset("iris"), {"class_weights": "balanced"}),
    STOPPED: ((8,), DATA["regression"], PATIENT | {"sample_weights": np.linspace(0, 2, 68)}),
    "convolution, normalised, stopped early": (CONVOLUTION, DATA["images"], PATIENT),
    "recurrent, stopped early": (RECURRENT, DATA["sequences"], PATIENT),
    "multilabel, on plateaus": ((8,), DATA["multilabel"], {"optimizer": pel.Adam(OnPlateau(0.05, patience=1))}),
    "autoencoder": ({"name": "autoencoder", "code": 2}, DATA["regression"], {}),
    "graph": (BRANCHES, DATA["multiclass"], {}),
}


def train(kind: str, folder: Path):
    """The run of a kind, saved to its folder under ``folder``."""
    network, data, settings = KINDS[kind]
    settings = {"epochs": 8, "batch_size": 16, "record_every": 2} | settings
    return pel.train(network, data, folder=folder / kind, progress=False, **settings)


def told(run, data) -> dict:
    """What is compared between a run and the same reloaded: progress, metrics, findings."""
    found = diagnose(run, data, trials=False)
    return json.loads(
        json.dumps(
            {
                "text": str(run),
                "epochs": {name: column.tolist() for name, column in run.history.epochs.items()},
                "result": run.result,
                "findings": [finding.to_dict() for finding in found],
            }
        )
    )


def reload(folder: Path) -> dict:
    """What every run of a folder says here, in a process that did not train it."""
    found = {}
    for kind, (_, data, _) in KINDS.items():
        run = pel.load(folder / kind)
        found[kind] = told(run, None if data is KINDS["by name, class weights"][1] else data)
    whole = pel.load(folder / STOPPED)
    diagnosed = [finding.to_dict() for finding in whole.diagnose(DATA["regression"])]
    found["diagnosed"] = json.loads(msgspec.json.encode(diagnosed))  # as files are written, NaN as null
    few = {"findings": [], "seeds": 3, "most": 1, "budget": 1.0, "random": False}
    found["proven"] = whole.prove(DATA["regression"], **few).trainings
    try:
        pel.load(folder / "optax").diagnose()
    except InvalidValue as error:
        found["optax"] = str(error)
    return found


if __name__ == "__main__":
    print(json.dumps(reload(Path(sys.argv[1]))))
