"""Pictures of a training: what layers read and write of images, samples of a GAN, an autoencoder's reconstructions."""

from typing import Any

import numpy as np

from pellucid.report.chart import ImageGrid
from pellucid.report.network import weight_pictures
from pellucid.report.picture import is_picture, pixels, shade
from pellucid.runs.samples import sample
from pellucid.runs.trained import Trained

COUNT = 32
"""Examples that are shown."""
SIDE = 24
"""Least pixels of an image's longer side; smaller ones are magnified."""
GAP = 3
"""White pixels between two images."""


def pictures(run: Trained) -> dict[str, np.ndarray]:
    """What can be looked at of a run as it is now, by name, each as pixels (height, width, 3)."""
    of_images = not run.facts.inputs and run.facts.task != "translation" and is_picture(run.facts.input_shape)
    grids: dict[str, Any] = {}
    for name, network in run.networks.items():
        params = run.params[name] if name else run.params
        figures = weight_pictures(network, params, run.facts.input_shape if of_images else ())
        prefix = f"pictures of weights/{name}/" if name else "pictures of weights/"
        grids |= {prefix + layer: figure.block for layer, figure in figures.items()}
    if of_images and run.adversarial:
        grids["examples/samples"] = ImageGrid("", sample(run, COUNT))
    rows = None if run.data is None else run.data.held_out or run.data.train
    if of_images and rows is not None and not run.adversarial:
        x = rows.x[:COUNT]
        grids["examples/inputs"] = ImageGrid("", x)
        if run.facts.task == "reconstruction":
            back = run.facts.preprocessing.invert_numpy(run.outputs_of_rows(x))
            grids["examples/reconstructions"] = ImageGrid("", back.reshape(x.shape))
    return {name: as_pixels(grid) for name, grid in grids.items()}


def as_pixels(grid: ImageGrid) -> np.ndarray:
    """A grid of images as one, with white between them.

    Example:
        >>> as_pixels(ImageGrid("", np.zeros((6, 28, 28)), columns=3)).shape
        (59, 90, 3)
    """
    images = np.asarray(grid.images)
    images = shade(images, True) if grid.signed else pixels(images)
    if images.ndim == 3:
        images = np.repeat(images[..., None], 3, axis=3)
    count, *sides = images.shape[:3]
    scale = -(-SIDE // max(sides))
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    height, width = images.shape[1:3]
    columns = min(count, grid.columns or max(1, round(np.sqrt(count * height / width))))
    rows = -(-count // columns)
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet
