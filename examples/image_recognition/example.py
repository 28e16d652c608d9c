"""Image recognition.

Which digit, which piece of clothing? A convolutional network learns from images that are changed a little in every
epoch, and names the ten classes of MNIST and of Fashion-MNIST; a support vector machine reads the same pixels.

Data: MNIST (LeCun, Cortes, Burges) and Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017; MIT licence), 60,000 images of
28 × 28 grey pixels to learn from and 10,000 held out, in their official parts.
"""

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

import pellucid as pel
from examples.harness import Bar, Scores, Setting
from examples.image_recognition.pictures import draw_attributions, draw_filters, draw_mistakes

DATA = {"MNIST": "mnist", "Fashion-MNIST": "fashion-mnist"}
BARS = [
    Bar("MNIST", "network", "accuracy", ">=", 0.9945),
    Bar("MNIST", "network", "minutes", "<", 6),
    Bar("Fashion-MNIST", "network", "accuracy", ">=", 0.92),
    Bar("Fashion-MNIST", "network", "minutes", "<", 6),
]
AUGMENTATION = {
    "MNIST": (pel.layers.RandomShift(), pel.layers.RandomRotation()),
    "Fashion-MNIST": (pel.layers.RandomFlip(),),
}
EPOCHS = {"MNIST": 8, "Fashion-MNIST": 5}
MACHINE_ROWS = 20_000
"""Images that the support vector machine learns from: its time grows with their square."""


def prepare(name: str, quick: bool) -> pel.Dataset:
    """The images in their official parts, of a quick trial the first few."""
    data = pel.load_dataset(DATA[name])
    if not quick:
        return data
    return replace(data, train=data.train.take(np.arange(1500)), held_out=data.held_out.take(np.arange(300)))


def network(name: str, filters: int = 32) -> pel.Network:
    """Three convolutions of 3 × 3 and a hidden layer, with batch normalisation, behind changes of the images."""

    def normalised(layer: pel.Layer) -> tuple[pel.Layer, ...]:
        return layer, pel.BatchNorm(), pel.Activation("relu")

    def convolution(count: int) -> tuple[pel.Layer, ...]:
        return normalised(pel.Conv2D(count, 3, padding="same", use_biases=False))

    return pel.Network(
        pel.layers.Reshape((28, 28, 1)),
        *AUGMENTATION[name],
        *convolution(filters),
        pel.MaxPool2D(2),
        pel.Dropout(0.1),
        *convolution(2 * filters),
        *convolution(2 * filters),
        pel.MaxPool2D(2),
        pel.Dropout(0.2),
        pel.Flatten(),
        *normalised(pel.Dense(8 * filters, use_biases=False)),
        pel.Dropout(0.4),
        pel.Dense(10, "softmax"),
    )


def measure(setting: Setting) -> Scores:
    """Accuracy on the held-out images of both data, and the minutes that the network trained."""
    return {name: measure_one(name, setting) for name in DATA}


def measure_one(name: str, setting: Setting) -> Mapping[str, Mapping[str, float]]:
    """Train on one of the data."""
    data = prepare(name, setting.quick)
    epochs = 4 if setting.quick else EPOCHS[name]
    start = time.perf_counter()
    run = pel.train(
        network(name, 8 if setting.quick else 32),
        data,
        epochs=epochs,
        batch_size=32 if setting.quick else 128,
        learning_rate=pel.schedules.CosineDecay(3e-3, epochs=epochs),
        seed=setting.seed,
        folder=setting.folder / DATA[name],
        overwrite=True,
    )
    minutes = (time.perf_counter() - start) / 60
    return {
        "network": {"accuracy": run.result["accuracy"], "minutes": minutes},
        f"support vector machine, {MACHINE_ROWS:,} images": {"accuracy": accuracy_of_machine(data, setting.seed)},
    }


def accuracy_of_machine(data: pel.Dataset, seed: int) -> float:
    """Accuracy of a support vector machine on 50 principal components, learnt from some of the images."""
    rows = np.random.default_rng(seed).permutation(len(data.train))[:MACHINE_ROWS]
    x, unseen = (part.x.reshape(len(part), -1) / 255 for part in (data.train.take(rows), data.held_out))
    machine = make_pipeline(PCA(50, whiten=True, random_state=seed), SVC(C=10, gamma=0.02))
    return float(machine.fit(x, data.train.y[rows]).score(unseen, data.held_out.y))


def draw(setting: Setting) -> Mapping[str, str]:
    """Which classes are mistaken, the pixels that decided, the first filters, and what the doctor says."""
    texts, explained, filters = {}, [], {}
    for name in DATA:
        data, run = prepare(name, setting.quick), pel.load(setting.folder / DATA[name])
        x, y = data.held_out.x, data.held_out.y
        outputs = run.outputs(x)
        draw_mistakes(setting.picture(f"{DATA[name]}.png"), data.classes, x, y, outputs)
        right = outputs.argmax(axis=1) == y
        surest = np.where(right, 0, outputs.max(axis=1)).argsort()[::-1][:2]  # of what was mistaken
        for row in [*np.flatnonzero(right)[:3], *surest]:
            answer = data.classes[outputs[row].argmax()]
            title = answer if right[row] else f"{answer}, but is {data.classes[y[row]]}"
            explained.append((title, x[row], run.explain(x[row], data.classes[y[row]]).attribution.integrated))
        filters[name] = run.weights["conv2d_1"]["weights"]
        texts[f"doctor, {name}"] = str(run.diagnose(data))
    draw_attributions(setting.picture("pixels.png"), explained, columns=5)
    draw_filters(setting.picture("filters.png"), filters)
    return texts
