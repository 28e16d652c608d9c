"""Object and face detection.

What is in the scene, and where? One network with two outputs reads a scene of clutter and answers both: the class of
the digit in it, and the box around it. A second network learns from two hundred small photographs whether one shows a
face.

Data: scenes drawn here from MNIST (LeCun, Cortes, Burges), training scenes from its training digits and held-out ones
from its test digits; faces of Labeled Faces in the Wild (Huang and others, 2007) and other photographs, 100 each of
25 × 25 pixels, from scikit-image.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pellucid as pel
from examples.harness import Bar, Scores, Setting
from examples.object_detection.pictures import draw_pixels, draw_scenes
from examples.object_detection.scenes import SIDE, Scenes, make_scenes, overlaps

SCENES, FACES = "scenes of digits on clutter", "faces and other photographs, five folds"
EPOCHS = 5
BARS = [
    Bar(SCENES, "network", "mean IoU", ">=", 0.75),
    Bar(FACES, "network", "accuracy", ">", "logistic regression on pixels"),
]


def prepare(setting: Setting) -> tuple[Scenes, Scenes]:
    """Training scenes and held-out scenes, the same for all seeds."""
    mnist = pel.load_dataset("mnist-5k" if setting.quick else "mnist")
    train, held_out = (1500, 300) if setting.quick else (60_000, 5_000)
    return (
        make_scenes(mnist.train.x, mnist.train.y, train, seed=0),
        make_scenes(mnist.held_out.x, mnist.held_out.y, held_out, seed=1),
    )


def network(setting: Setting) -> pel.Network:
    """Convolutions that both answers share, and a hidden layer for each."""
    filters, units = ((8, 16, 16), 32) if setting.quick else ((16, 32, 64), 128)
    nodes: dict[str, tuple[Any, Any]] = {"image": (pel.layers.Reshape((SIDE, SIDE, 1)), "scene")}
    last = "image"
    for i, count in enumerate(filters):
        kernel, stride = (5, 2) if i == 0 else (3, 1)
        nodes[f"convolution_{i}"] = (
            pel.Conv2D(count, kernel, stride=stride, padding="same", use_biases=False), last,
        )  # fmt: skip
        nodes[f"norm_{i}"] = (pel.BatchNorm(), f"convolution_{i}")
        nodes[f"relu_{i}"] = (pel.Activation("relu"), f"norm_{i}")
        last = f"relu_{i}"
        if i > 0:
            nodes[f"pool_{i}"] = (pel.MaxPool2D(2), last)
            last = f"pool_{i}"
    nodes["flat"] = (pel.Flatten(), last)
    for question in ("where", "which"):
        nodes[f"{question}_units"] = (pel.Dense(units, use_biases=False), "flat")
        nodes[f"{question}_norm"] = (pel.BatchNorm(), f"{question}_units")
        nodes[question] = (pel.Activation("relu"), f"{question}_norm")
    nodes["box"] = (pel.Dense(4), "where")
    nodes["digit"] = (pel.Dense(10, "softmax"), "which")
    return pel.Network.graph(inputs="scene", nodes=nodes, outputs=("digit", "box"))


def measure(setting: Setting) -> Scores:
    """How well boxes lie over the true ones, how many digits are named; how many faces are told from other things."""
    train, held_out = prepare(setting)
    run = train_network(train, held_out, setting)
    found = run.predict(held_out.x)
    ridge = Ridge(1000.0).fit(halved(train.x), train.boxes)
    boxes = {
        "network": found["box"],
        "ridge regression on pixels": ridge.predict(halved(held_out.x)).astype(np.float32),
        "the mean box": np.tile(train.boxes.mean(axis=0), (len(held_out.x), 1)),
    }
    scores: dict[str, dict[str, float]] = {}
    for method, predicted in boxes.items():
        common = overlaps(predicted, held_out.boxes)
        scores[method] = {"mean IoU": float(common.mean()), "IoU above 0.5": float((common > 0.5).mean())}
    scores["network"]["accuracy of the digit"] = float((found["digit"] == held_out.digits).mean())
    return {SCENES: scores, FACES: measure_faces(setting)}


def halved(x: np.ndarray) -> np.ndarray:
    """Scenes of half the size, as rows of pixels."""
    return x.reshape(len(x), SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4)).reshape(len(x), -1)


def questions(train: Scenes, held_out: Scenes) -> pel.Dataset:
    """Scenes with the answers to both questions."""
    first, second = ({"digit": scenes.digits, "box": scenes.boxes} for scenes in (train, held_out))
    return pel.make_dataset(train.x, first, held_out=(held_out.x, second), name="scenes")


def train_network(train: Scenes, held_out: Scenes, setting: Setting) -> pel.Run:
    """Train on both questions together: the loss is the sum of the cross-entropy and the boxes' absolute error."""
    epochs = 8 if setting.quick else EPOCHS
    return pel.train(
        network(setting),
        questions(train, held_out),
        loss={"box": "mean_absolute_error"},
        epochs=epochs,
        batch_size=32 if setting.quick else 128,
        learning_rate=pel.schedules.CosineDecay(3e-3, epochs=epochs),
        seed=setting.seed,
        folder=setting.folder / "scenes",
        overwrite=True,
    )


def photographs() -> pel.Dataset:
    """Photographs of 25 × 25 pixels, a hundred of faces and a hundred of other things."""
    from skimage.data import lfw_subset

    x = (255 * lfw_subset()).astype(np.uint8)
    return pel.make_dataset(x, np.repeat(["face", "other"], 100), held_out=None, name="faces")


def face_settings(setting: Setting) -> dict[str, Any]:
    """A small convolutional network; every epoch mirrors and shifts the photographs anew."""
    augmentation = ["random_flip", {"name": "random_shift", "pixels": 2}]
    return {
        "network": {"name": "cnn", "filters": [8, 16], "dropout": 0.3, "augmentation": augmentation},
        "epochs": 10 if setting.quick else 60,
        "learning_rate": 2e-3,
        "batch_size": 16,
        "seed": setting.seed,
    }


def measure_faces(setting: Setting) -> dict[str, dict[str, float]]:
    """Accuracy over five folds that the seed draws."""
    data = photographs()
    folds = StratifiedKFold(5, shuffle=True, random_state=setting.seed)
    validated = pel.cross_validate(data=data, folds=folds, **face_settings(setting))
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    pixels, y = data.train.x.reshape(len(data.train), -1), data.train.y.ravel()
    return {
        "network": {"accuracy": float(validated.estimate().mean)},
        "logistic regression on pixels": {"accuracy": float(cross_val_score(linear, pixels, y, cv=folds).mean())},
    }


def draw(setting: Setting) -> Mapping[str, str]:
    """Scenes with both boxes, the pixels that moved class and box, and what the doctor says."""
    train, held_out = prepare(setting)
    run = pel.load(setting.folder / "scenes")
    found = run.predict(held_out.x)
    common = overlaps(found["box"], held_out.boxes)
    draw_scenes(setting.picture("scenes.png"), held_out, found["digit"], found["box"], common)
    shown = [(held_out.x[row], moved(run, held_out, row)) for row in range(1 if setting.quick else 4)]
    draw_pixels(setting.picture("pixels.png"), shown)
    return {"doctor": str(run.diagnose(questions(train, held_out)))}


def moved(run: pel.Run, scenes: Scenes, row: int) -> list[np.ndarray]:
    """What each pixel adds to the answer of either output."""
    answers = (("digit", scenes.digits), ("box", scenes.boxes))
    return [run.output(name).explain(scenes.x[row], target[row]).attribution.integrated for name, target in answers]
