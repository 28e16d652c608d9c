"""Images in a folder, one subfolder for each class."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import DataError, MissingExtra
from pellucid.core.interface import option
from pellucid.data.arrays import Dataset
from pellucid.data.file_dataset import load_files
from pellucid.data.media import FileEncoder

USUAL_SIZE = 64
"""Pixels of a side where images of several sizes are brought to one."""


@dataclass(frozen=True)
class ImageEncoder(FileEncoder):
    """Conversion of image files to arrays, uint8 ``(images, height, width, channels)``.

    Args:
        height: pixels.
        width: pixels.
        channels: 1 for grey, 3 for red, green and blue.
        file_names: pattern of the files' names, see `load_images`.
    """

    kind = "images"
    endings = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
    options = ("image_size",)
    dtype = np.uint8

    height: int
    width: int
    channels: int
    file_names: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and channels."""
        return self.height, self.width, self.channels

    @classmethod
    def fit(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, files: Sequence[Path], file_names: str | None, *, image_size: int | None = None
    ) -> tuple[Self, tuple[str, ...]]:
        """Find the size and the colours that all images are brought to."""
        image = _pillow()
        sizes: Counter[tuple[int, int]] = Counter()
        grey = True
        for file in files:
            with _opened(image, file) as opened:
                sizes[opened.size] += 1
                grey = grey and opened.mode in ("L", "1", "LA")
        (width, height), _ = sizes.most_common(1)[0]
        notes = ()
        if image_size is not None:
            require(image_size, WholeNumber(1), "image_size")
            width = height = image_size
        elif len(sizes) > 1:
            width = height = USUAL_SIZE
            notes = (
                f"images of {len(sizes)} sizes brought to {USUAL_SIZE}×{USUAL_SIZE}; for another, say "
                f"{option('image_size', 128)}",
            )
        return cls(height, width, 1 if grey else 3, file_names), notes

    def read_one(self, file: Path) -> np.ndarray:
        """The pixels of a file."""
        with _opened(_pillow(), file) as opened:
            converted = opened.convert("L" if self.channels == 1 else "RGB")
            if converted.size != (self.width, self.height):
                converted = converted.resize((self.width, self.height))
            return np.asarray(converted, np.uint8).reshape(self.shape)


def load_images(
    folder: str | PathLike[str],
    *,
    size: int | None = None,
    file_names: str | None = None,
    held_out: Any = 0.2,
    stream: bool = False,
    seed: int = 0,
) -> Dataset:
    """Make a `Dataset` from a folder, or a zip file, of images with one subfolder for each class.

    Args:
        folder: holds the subfolders, whose names are the classes; or ``train`` and ``test`` (or ``val``), which hold
            them.
        size: pixels of each side that all images are brought to; by default their own where it is the same for all,
            else 64.
        file_names: pattern of the files' names, where these tell the classes, as in `load_audio`.
        held_out: fraction of the images held out, class by class; a number; None or 0; a pattern of the names of those
            held out, such as ``"test-*"``; or another such folder. Unused where the folder divides them.
        stream: read the images while they are trained on, instead of holding them in memory.
        seed: of the draw.

    Raises:
        DataError: no images, images outside the subfolders, or a file that is no image.
        MissingExtra: pillow is not installed.
    """
    options: dict[str, Any] = {"held_out": held_out, "stream": stream, "seed": seed}
    return load_files(ImageEncoder, folder, image_size=size, file_names=file_names, **options)


def _opened(image: Any, file: Path) -> Any:
    """An image the right way up, in at most 8 bits a colour."""
    from PIL import ImageOps

    try:
        opened = ImageOps.exif_transpose(image.open(file))
        opened.load()
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as error:
        raise DataError(f"{str(file)!r} is not an image that can be read: {error}.") from error
    if opened.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        return image.fromarray((np.asarray(opened) // 256).clip(0, 255).astype(np.uint8))
    return opened


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("pillow", "images", "Reading images") from error
    return Image
