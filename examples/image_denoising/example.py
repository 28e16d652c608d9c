"""Image denoising.

An autoencoder is shown noisy digits and must give the clean ones back. Nothing is labelled: the noise is a layer, so
that each epoch sees every image spoiled in another way, and the target is the image itself.

Data: MNIST (LeCun, Cortes, Burges), 60,000 digits to learn from, 10,000 held out, spoiled by Gaussian noise or by salt
and pepper.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import median_filter

import pellucid as pel
from examples.harness import Bar, Scores, Setting

BARS = [
    Bar("Gaussian noise", "autoencoder", "mean squared error", "<", "PCA"),
    Bar("salt-and-pepper noise", "autoencoder", "mean squared error", "<", "PCA"),
]
STD, RATE = 0.5, 0.3
"""Standard deviation of the Gaussian noise, where black is 0 and white is 1; pixels hit by salt or pepper."""


class Noise(NamedTuple):
    """A kind of noise: as a layer, for training, and as a function of pixels, for the images to be restored."""

    layer: pel.Layer
    spoil: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    median: int
    """Side of the median filter's window."""


def gaussian(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a normal number to each pixel."""
    return images + rng.normal(0, 255 * STD, images.shape).astype(np.float32)


def salt_and_pepper(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Set pixels to black or to white."""
    draw = rng.random(images.shape)
    return np.where(draw < RATE / 2, 0, np.where(draw < RATE, 255, images)).astype(np.float32)


NOISES = {
    "Gaussian noise": Noise(pel.layers.GaussianNoise(STD), gaussian, 5),
    "salt-and-pepper noise": Noise(pel.layers.SaltAndPepperNoise(RATE), salt_and_pepper, 3),
}


def network(noise: pel.Layer) -> pel.Network:
    """Noise, which is there in training only, one hidden layer, and an image again."""
    return pel.Network(
        noise,
        pel.Flatten(),
        pel.Dense(512, "relu"),
        pel.Dense(784, "sigmoid", weights="glorot_uniform"),
        pel.layers.Reshape((28, 28)),
    )


def measure(setting: Setting) -> Scores:
    """Train an autoencoder for each noise and restore spoiled held-out images; the baselines restore the same ones."""
    data = images(setting)
    clean = data.held_out.x
    scores = {}
    for name, noise in NOISES.items():
        rng = np.random.default_rng(setting.seed)
        spoiled = noise.spoil(clean, rng)
        restored = {
            "autoencoder": train(data, name, setting).predict(spoiled),
            "best linear map": linear_map(data.train.x, spoiled, noise, rng),
            "PCA": project(principal_components(data.train.x, noise, rng), spoiled),
            "median filter": median_filter(spoiled, (1, noise.median, noise.median)),
            "nothing done": spoiled,
        }
        scores[name] = {method: quality(images, clean) for method, images in restored.items()}
    return scores


def images(setting: Setting) -> pel.Dataset:
    """The digits, as the targets of their own reconstruction."""
    if not setting.quick:
        return pel.data.reconstruction(pel.load_dataset("mnist"))
    small = pel.load_dataset("mnist-5k")
    return pel.make_dataset(small.train.x[:2000], held_out=(small.held_out.x[:500], None))


def train(data: pel.Dataset, name: str, setting: Setting) -> pel.Run:
    """Learn to take one kind of noise away."""
    epochs = 8 if setting.quick else 6
    return pel.train(
        network(NOISES[name].layer),
        data,
        loss="binary_cross_entropy",
        optimizer=pel.Adam(pel.schedules.CosineDecay(2e-3, epochs=epochs)),
        batch_size=32 if setting.quick else 128,
        epochs=epochs,
        seed=setting.seed,
        folder=setting.folder / name,
        overwrite=True,
    )


def quality(restored: np.ndarray, clean: np.ndarray) -> dict[str, float]:
    """Mean squared error of a pixel, where black is 0 and white is 1, and the same as signal-to-noise ratio."""
    error = float(np.square((restored.astype(np.float32) - clean) / 255).mean())
    return {"mean squared error": error, "PSNR in dB": -10 * np.log10(error)}


def linear_map(train: np.ndarray, spoiled: np.ndarray, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """Restore by the linear map of all pixels to all pixels that has the least error on the training images."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1.0, solver="cholesky").fit(flat(noise.spoil(train, rng)), flat(train))
    return 255 * model.predict(flat(spoiled)).reshape(spoiled.shape)


def principal_components(train: np.ndarray, noise: Noise, rng: np.random.Generator) -> Any:
    """Fit PCA to clean images, with as many components as restore the last sixth of them best when spoiled."""
    from sklearn.decomposition import PCA

    fit, validation = np.split(train, [len(train) * 5 // 6])
    pca = PCA(200, svd_solver="randomized", random_state=0).fit(flat(fit))
    clean, spoiled = pca.transform(flat(validation)), pca.transform(flat(noise.spoil(validation, rng)))
    errors = np.square(spoiled - clean).mean(axis=0) - np.square(clean).mean(axis=0)  # with a component, less without
    return PCA(int(errors.cumsum().argmin()) + 1, svd_solver="randomized", random_state=0).fit(flat(train))


def project(pca: Any, spoiled: np.ndarray) -> np.ndarray:
    """Restore images by their nearest combination of the components."""
    return 255 * pca.inverse_transform(pca.transform(flat(spoiled))).reshape(spoiled.shape)


def flat(images: np.ndarray) -> np.ndarray:
    """Images as rows of numbers, black 0 and white 1."""
    return images.reshape(len(images), -1) / np.float32(255)


def draw(setting: Setting) -> dict[str, str]:
    """Draw digits before and after, hidden units, and the error at other strengths of the noise."""
    data = images(setting)
    runs = {name: pel.load(setting.folder / name) for name in NOISES}
    draw_digits(runs, data, setting)
    draw_units(runs, setting)
    draw_strengths(runs["Gaussian noise"], data, setting)
    run = runs["Gaussian noise"]
    explanation = str(run.explain(data.held_out.x[0])).splitlines()
    return {"doctor": str(run.diagnose(data)), "explanation": "\n".join(explanation[2:19])}


def draw_digits(runs: dict[str, pel.Run], data: pel.Dataset, setting: Setting) -> None:
    """Draw eight held-out digits, spoiled, and as each method restores them, for each noise."""
    from matplotlib import pyplot as plt

    clean = data.held_out.x[:8]
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
    for ax, (name, noise) in zip(axes, NOISES.items(), strict=True):
        rng = np.random.default_rng(setting.seed)
        spoiled = noise.spoil(clean, rng)
        rows = {
            "spoiled": spoiled,
            "autoencoder": runs[name].predict(spoiled),
            "PCA": project(principal_components(data.train.x, noise, rng), spoiled),
            "median filter": median_filter(spoiled, (1, noise.median, noise.median)),
            "original": clean,
        }
        ax.imshow(np.block([list(row) for row in rows.values()]), cmap="gray", vmin=0, vmax=255)
        ax.set_yticks([28 * i + 14 for i in range(len(rows))], list(rows))
        ax.set(xticks=[], title=name)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    figure.savefig(setting.picture("digits.png"), dpi=76)
    plt.close(figure)


def draw_units(runs: dict[str, pel.Run], setting: Setting) -> None:
    """Draw the incoming weights of the hidden units with the largest outgoing ones: red adds, blue takes away."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    for ax, (name, run) in zip(axes, runs.items(), strict=True):
        incoming, outgoing = run.weights["dense_1"]["weights"], run.weights["dense_2"]["weights"]
        strongest = np.linalg.norm(outgoing, axis=1).argsort()[::-1][:15]
        units = incoming.T[strongest].reshape(-1, 28, 28)
        units = np.pad(units / np.abs(units).max(axis=(1, 2), keepdims=True), ((0, 0), (1, 1), (1, 1)))
        ax.imshow(np.block([list(row) for row in units.reshape(3, 5, 30, 30)]), cmap="RdBu_r", vmin=-1, vmax=1)
        ax.set(title=name)
        ax.axis("off")
    figure.savefig(setting.picture("units.png"), dpi=60)
    plt.close(figure)


def draw_strengths(run: pel.Run, data: pel.Dataset, setting: Setting) -> None:
    """Draw the error at strengths of the Gaussian noise that the network was not trained on."""
    from matplotlib import pyplot as plt

    clean, rng = data.held_out.x[:2000], np.random.default_rng(setting.seed)
    strengths = np.arange(0.1, 1.01, 0.1)
    spoiled = [clean + rng.normal(0, 255 * std, clean.shape).astype(np.float32) for std in strengths]
    pca = principal_components(data.train.x, NOISES["Gaussian noise"], rng)
    lines = {
        "nothing done": spoiled,
        "PCA": [project(pca, images) for images in spoiled],
        "autoencoder": [run.predict(images) for images in spoiled],
    }
    figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for name, restored in lines.items():
        ax.plot(strengths, [quality(images, clean)["mean squared error"] for images in restored], "o-", label=name)
    ax.axvline(STD, color="gray", linestyle=":", label="trained on")
    ax.set(yscale="log", xlabel="standard deviation of the noise", ylabel="mean squared error, held out")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(setting.picture("strengths.svg"))
    plt.close(figure)
