"""Draws docs/images/autoencoder.png: digits, digits spoilt, and what a denoising autoencoder makes of them."""

from pathlib import Path

import numpy as np

import pellucid as pel
from pellucid.report.chart import ImageGrid
from pellucid.report.print_figure import save_figure, to_matplotlib

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

grids = [ImageGrid(name, images, columns=10) for name, images in rows.items()]
path = Path(__file__).parents[1] / "docs" / "images" / "autoencoder.png"
save_figure(to_matplotlib(*grids, columns=1, width=700), path)
print(run)
