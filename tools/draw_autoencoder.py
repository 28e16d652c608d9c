"""Draws docs/images/autoencoder.png: digits, digits spoilt, and what a denoising autoencoder makes of them."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import pellucid as pel

data = pel.load_dataset("mnist-5k")
run = pel.train(
    {"name": "autoencoder", "hidden": [256], "code": 32, "noise": 0.3},
    data,
    optimizer=pel.Adam(2e-3),
    epochs=60,
    batch_size=64,
)
clean = data.held_out.x[[int(np.flatnonzero(data.held_out.y == digit)[0]) for digit in range(10)]]
spoilt = clean * (np.random.default_rng(0).random(clean.shape) >= 0.3).astype(np.uint8)
rows = {"held out": clean, "spoilt": spoilt, "given back": run.predict(spoilt)}

figure = Figure(figsize=(10, 3.2), layout="constrained")
for panels, (name, images) in zip(figure.subplots(3, 10), rows.items(), strict=True):
    for axes, image in zip(panels, images, strict=True):
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    panels[0].set_ylabel(name, rotation=0, ha="right", va="center")
figure.savefig(Path(__file__).parents[1] / "docs" / "images" / "autoencoder.png", dpi=110)
print(run)
