"""Small runs of every kind that a server meets, and some examples of each as Python and as JSON have them."""

import warnings
from functools import cache

import numpy as np
from sklearn.datasets import load_breast_cancer

import pellucid as pel
from pellucid.data.text import bag_of_words

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
CLASSES = np.digitize(X[:, 0] - X[:, 1], [-1, 1])
SEQUENCES = RNG.normal(size=(60, 5, 2)).astype(np.float32)
IMAGES = RNG.integers(0, 255, (60, 6, 6, 1), dtype=np.uint8)


def patients(rows):
    """Real rows: three measurements, with gaps, and two categories made of others."""
    bunch = load_breast_cancer()
    texture, area = bunch.data[:, 1], bunch.data[:, 3]
    return [
        {
            "radius": None if i % 50 == 7 else float(bunch.data[i, 0]),
            "texture": float(texture[i]),
            "smoothness": float(bunch.data[i, 4]),
            "size": ["small", "middle", "large"][int(np.digitize(area[i], [450, 700]))],
            "since": f"{i % 28 + 1:02}.0{i % 9 + 1}.2024",
            "diagnosis": str(bunch.target_names[bunch.target[i]]),
        }
        for i in range(rows)
    ]


PATIENTS = patients(160)
HOURS = [{"hour": i, "load": float(np.sin(i / 4)), "wind": float(np.cos(i / 3))} for i in range(80)]
TEXTS = ["win cash now", "cash for you now", "see you there", "are you there", "call me now please"] * 12


def _without(rows, *names):
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def _arrays(x, y=None, *, network=(8,), examples=3, settings=None, **options):
    data = pel.make_dataset(x, y, held_out=0.2, seed=0, name="arrays", **options)
    some = {name: array[:examples] for name, array in x.items()} if isinstance(x, dict) else x[:examples]
    return network, data, some, settings or {}


def _table(rows, target, examples, *, network=(8,), **options):
    return network, pel.load_table(rows, target, seed=0, **options), examples, {}


def _words():
    words = bag_of_words(TEXTS)
    spam = [text.split()[0] in ("win", "cash") for text in TEXTS]
    return (8,), pel.make_dataset(words.encode(TEXTS), spam, encoder=words, seed=0), TEXTS[:3], {}


SEEN = _without(PATIENTS, "since")
TWO_OUTPUTS = pel.Network.graph(
    inputs=("a", "b"),
    nodes={
        "both": (pel.layers.Concatenate(), ("a", "b")),
        "ill": (pel.Dense(1, "sigmoid"), "both"),
        "how": (pel.Dense(1), "both"),
    },
    outputs=("ill", "how"),
)
TWO_INPUTS = pel.Network.graph(
    inputs=("image", "age"),
    nodes={
        "flat": (pel.Flatten(), "image"),
        "both": (pel.layers.Concatenate(), ("flat", "age")),
        "kind": (pel.Dense(3, "softmax"), "both"),
        "dose": (pel.Dense(1), "both"),
    },
    outputs=("kind", "dose"),
)
TAGGER = pel.Network(pel.RNN(4, return_sequences=True), pel.Dense(2, "softmax"))
CONVOLUTION = pel.Network(pel.Conv2D(2, 3, "relu"), pel.Flatten(), pel.Dense(3, "softmax"))
FORECAST = pel.Network(pel.RNN(4), pel.Dense(2))
KINDS = {
    "a table of classes": lambda: _table(PATIENTS, "diagnosis", _without(PATIENTS[:5], "diagnosis")),
    "a table with text": lambda: _table(
        [{"note": text, "n": i % 7, "y": float(i % 7)} for i, text in enumerate(TEXTS)],
        "y",
        [{"note": "win cash", "n": 3}, {"note": "", "n": 4}],
        columns={"note": "text"},
    ),
    "a table of two outputs": lambda: _table(
        SEEN,
        {"ill": "diagnosis", "how": "texture"},
        _without(SEEN[:3], "diagnosis", "texture"),
        inputs={"a": ("radius", "size"), "b": ("smoothness",)},
        network=TWO_OUTPUTS,
    ),
    "a series": lambda: _table(HOURS, "load", HOURS[:7], time="hour", window=5, horizon=2, network=FORECAST),
    "classes": lambda: _arrays(X, CLASSES),
    "margins": lambda: _arrays(X, CLASSES > 0, settings={"loss": "hinge"}, network=pel.Network(pel.Dense(1))),
    "labels": lambda: _arrays(X, np.stack([CLASSES > 0, CLASSES > 1], 1).astype(int), task="multilabel"),
    "numbers in float64": lambda: _arrays(X, X[:, :2] * 100, settings={"precision": "float64"}),
    "images": lambda: _arrays(IMAGES, CLASSES, network=CONVOLUTION),
    "an autoencoder": lambda: _arrays(X, network={"name": "autoencoder", "code": 2}),
    "tags": lambda: _arrays(SEQUENCES, (SEQUENCES[..., 0] > 0).astype(int), network=TAGGER, task="tagging"),
    "two inputs": lambda: _arrays(
        {"image": IMAGES, "age": X[:, :1]}, {"kind": CLASSES, "dose": X[:, 0]}, network=TWO_INPUTS
    ),
    "texts": _words,
}


@cache
def run_of(kind):
    """A run of the kind."""
    network, data, _, settings = KINDS[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pel.train(
            network, data, **{"epochs": 2, "batch_size": 16, "record_every": 0, "progress": False} | settings
        )


@cache
def examples_of(kind):
    """Some examples of the kind, as `run.predict` takes them."""
    return KINDS[kind]()[2]


def as_json(examples):
    """Examples as JSON has them."""
    if isinstance(examples, dict):
        return {name: as_json(array) for name, array in examples.items()}
    return examples.tolist() if isinstance(examples, np.ndarray) else examples
