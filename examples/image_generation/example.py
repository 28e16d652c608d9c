"""Generating images.

A generator turns noise into images, a critic distinguishes them from real ones, and each learns from the other: a
Wasserstein GAN with gradient penalty. A classifier, trained beside them on real images, judges the samples: is it sure
what they show, do all classes occur, and how far are the samples from real images, as it sees them?

Data: MNIST (LeCun, Cortes, Burges) and Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, MIT).
"""

from pathlib import Path
from typing import Any

import numpy as np

import pellucid as pel
from examples.harness import Bar, Scores, Setting

DATA = {"digits": "mnist", "clothes": "fashion-mnist"}
EPOCHS = {"digits": 60, "clothes": 12}
BARS = [
    Bar("digits", "WGAN-GP", "classifier is sure", ">=", 0.85),
    Bar("digits", "WGAN-GP", "classes", ">=", 10),
    Bar("digits", "WGAN-GP", "distance", "<", "Gaussian mixture"),
    Bar("clothes", "WGAN-GP", "distance", "<", "Gaussian mixture"),
]
SURE = 0.9
"""From this probability on the classifier is sure of a class."""


def networks() -> pel.networks.GAN:
    """A generator of images from 16 numbers of noise, and a critic that gives an image a score."""
    leaky = {"name": "leaky_relu", "alpha": 0.2}
    generator = pel.Network(
        pel.Dense(256, leaky),
        pel.Dense(512, leaky),
        pel.Dense(784, "sigmoid", weights="glorot_uniform"),
        pel.layers.Reshape((28, 28)),
    )
    critic = pel.Network(pel.Flatten(), pel.Dense(512, leaky), pel.Dense(256, leaky), pel.Dense(1))
    return pel.networks.GAN(generator, critic, latent=16)


def train(name: str, data: pel.Dataset, setting: Setting) -> pel.Run:
    """Train generator and critic against each other; the run is also kept after some of the epochs."""
    epochs = 6 if setting.quick else EPOCHS[name]
    folder = setting.folder / name

    def keep(training: Any) -> None:
        if training.epoch in (1, 2, 4, 8, 16, 32, epochs):
            training.save(folder / f"epoch-{training.epoch}")

    return pel.train(
        networks(),
        pel.data.generation(data),
        optimizer=pel.Adam(pel.schedules.CosineDecay(1e-3, epochs=epochs), beta1=0.5, beta2=0.9),
        critic_steps=1,
        batch_size=64,
        epochs=epochs,
        seed=setting.seed,
        folder=folder / "gan",
        overwrite=True,
        callbacks=[keep],
    )


def train_judge(name: str, data: pel.Dataset, setting: Setting) -> pel.Run:
    """Train the classifier. Its layer `Code` marks the 64 numbers by which it sees an image."""
    epochs = 5
    network = pel.Network(
        pel.layers.Reshape((28, 28, 1)),
        pel.Conv2D(16, 5, "relu", stride=2, padding="same"),
        pel.Conv2D(32, 3, "relu", stride=2, padding="same"),
        pel.Flatten(),
        pel.Dense(64, "relu"),
        pel.layers.Code(),
        pel.Dense(10, "softmax"),
    )
    return pel.train(
        network,
        data,
        optimizer=pel.Adam(pel.schedules.CosineDecay(2e-3, epochs=epochs)),
        batch_size=64,
        epochs=epochs,
        seed=setting.seed,
        folder=setting.folder / name / "judge",
        overwrite=True,
    )


def measure(setting: Setting) -> Scores:
    """Judge the samples, those of a mixture of Gaussians, and held-out images, which are as good as can be."""
    scores = {}
    for name in DATA:
        data = images(name, setting)
        judge, gan = train_judge(name, data, setting), train(name, data, setting)
        shown = {
            "WGAN-GP": gan.sample(len(data.held_out.x), setting.seed),
            "Gaussian mixture": mixture(data.train.x, len(data.held_out.x), setting.seed),
            "held-out images": data.held_out.x,
        }
        real = judge.encode(data.train.x)
        scores[name] = {method: quality(judge, x, real) for method, x in shown.items()}
    return scores


def images(name: str, setting: Setting) -> pel.Dataset:
    """The images with their classes."""
    data = pel.load_dataset(DATA[name])
    if setting.quick:
        data = data.refit(data.train.take(slice(2000)), data.held_out.take(slice(500)))
    return data


def quality(judge: pel.Run, x: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Judge images, 0 to 255.

    A class occurs if it has a quarter of its fair number of images, as modes are counted elsewhere.
    """
    probabilities = judge.outputs(x)
    fractions = np.bincount(probabilities.argmax(axis=1), minlength=10) / len(x)
    return {
        "classifier is sure": float((probabilities.max(axis=1) >= SURE).mean()),
        "mean probability": float(probabilities.max(axis=1).mean()),
        "classes": int((fractions >= 0.025).sum()),
        "distance": distance(judge.encode(x), real),
    }


def distance(seen: np.ndarray, real: np.ndarray) -> float:
    """Fréchet distance of two clouds of features as if they were Gaussian; of this classifier, not of Inception."""
    one, other = np.cov(seen, rowvar=False), np.cov(real, rowvar=False)
    shift = np.square(seen.mean(axis=0) - real.mean(axis=0)).sum()
    overlap = np.sqrt(np.linalg.eigvals(one @ other).real.clip(0)).sum()  # the trace of the product's square root
    return float(shift + np.trace(one) + np.trace(other) - 2 * overlap)


def mixture(train: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Images drawn from 20 Gaussians that were fitted to 50 principal components."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    pixels = train[:20000].reshape(-1, 784) / 255
    pca = PCA(50, svd_solver="randomized", random_state=seed)
    codes = pca.fit_transform(pixels)
    drawn, _ = GaussianMixture(20, max_iter=50, reg_covar=1e-4, random_state=seed).fit(codes).sample(count)
    return np.clip(255 * pca.inverse_transform(drawn), 0, 255).reshape(-1, 28, 28).astype(np.float32)


def draw(setting: Setting) -> dict[str, str]:
    """Draw samples, how they became so, what lies between two of them, their nearest training images, the critic."""
    texts = []
    for name in DATA:
        data, gan = images(name, setting), pel.load(setting.folder / name / "gan")
        save_mosaic(setting.picture(f"{name}.png"), {"": gan.sample(96, setting.seed).reshape(6, 16, 28, 28)})
        save_mosaic(setting.picture(f"{name}-between.png"), {"": between(gan, setting.seed)})
        save_mosaic(setting.picture(f"{name}-nearest.png"), nearest(gan.sample(14, setting.seed), data.train.x))
        texts.append(f"{name}: {gan.diagnose(pel.data.generation(data))}")
    folders = sorted((setting.folder / "digits").glob("epoch-*"), key=lambda folder: int(folder.name[6:]))
    along = {folder.name.replace("-", " "): pel.load(folder).sample(14, setting.seed)[None] for folder in folders}
    save_mosaic(setting.picture("digits-training.png"), along)
    draw_critic(pel.load(setting.folder / "digits" / "gan"), setting)
    return {"doctor": "\n".join(texts)}


def between(gan: pel.Run, seed: int) -> np.ndarray:
    """Images of noise on the way from one image to another, four times."""
    ends = np.random.default_rng(seed).normal(size=(2, 4, 1, 16))
    way = np.linspace(0, 1, 14)[:, None]
    return gan.decode(((1 - way) * ends[0] + way * ends[1]).reshape(-1, 16)).reshape(4, 14, 28, 28)


def nearest(samples: np.ndarray, train: np.ndarray) -> dict[str, np.ndarray]:
    """The training image with the least squared difference from each sample: a copy would be the same image."""
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=1).fit(train.reshape(len(train), -1).astype(np.float32))
    [rows] = neighbours.kneighbors(samples.reshape(len(samples), -1), return_distance=False).T
    return {"samples": samples[None], "nearest": train[None, rows]}


def save_mosaic(path: Path, rows: dict[str, np.ndarray]) -> None:
    """Save images, each array (rows, columns, 28, 28), with its name on the left."""
    from matplotlib import pyplot as plt

    mosaic = np.concatenate([np.block(list(map(list, images))) for images in rows.values()])
    figure, ax = plt.subplots(figsize=(9, 9 * mosaic.shape[0] / mosaic.shape[1]), layout="constrained")
    ax.imshow(mosaic, cmap="gray", vmin=0, vmax=255)
    middles = [28 * (i + 0.5) for i in range(len(rows))] if len(rows) > 1 else []
    ax.set(xticks=[], yticks=middles, yticklabels=list(rows)[: len(middles)])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def draw_critic(gan: pel.Run, setting: Setting) -> None:
    """Draw the samples that the critic scores lowest and highest, and the pixels that made the score so."""
    from matplotlib import pyplot as plt

    samples = gan.sample(1000, setting.seed)
    order = gan.score(samples).argsort()
    figure, axes = plt.subplots(2, 2, figsize=(9, 2.9), layout="constrained")
    for column, title, rows in zip(axes.T, ("scored lowest", "scored highest"), (order[:6], order[-6:]), strict=True):
        pixels = [gan.explain(samples[row]).attribution.integrated for row in rows]
        column[0].imshow(np.hstack(list(samples[rows])), cmap="gray", vmin=0, vmax=255)
        column[1].imshow(np.hstack([each / np.abs(each).max() for each in pixels]), cmap="RdBu", vmin=-1, vmax=1)
        column[0].set_title(title)
        for ax in column:
            ax.axis("off")
    figure.savefig(setting.picture("digits-critic.png"), dpi=80)
    plt.close(figure)
