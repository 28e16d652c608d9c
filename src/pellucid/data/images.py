"""Images in a folder, one subfolder for each class."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import DataError, MissingExtra
from pellucid.core.interface import option
from pellucid.data.arrays import Dataset, Encoder
from pellucid.data.build import make_dataset

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
USUAL_SIZE = 64
"""Pixels of a side where images of several sizes are brought to one."""
PARTS = (("train", "test"), ("train", "val"), ("train", "valid"), ("training", "testing"))
"""Names of subfolders that divide the images already."""


@dataclass(frozen=True)
class ImageEncoder(Encoder):
    """Conversion of image files to arrays.

    Args:
        height: pixels.
        width: pixels.
        channels: 1 for grey, 3 for red, green and blue.
    """

    height: int
    width: int
    channels: int

    def encode(self, source: Any) -> np.ndarray:
        """The images of a file, a folder or a list of files, uint8 ``(images, height, width, channels)``.

        Raises:
            DataError: no image there, or a file that is none.
        """
        return self.read(files_of(source))

    def read(self, files: Iterable[Path]) -> np.ndarray:
        """The images of files, brought to one size."""
        image = _pillow()
        mode = "L" if self.channels == 1 else "RGB"
        arrays = []
        for file in files:
            with _opened(image, file) as opened:
                converted = opened.convert(mode)
                if converted.size != (self.width, self.height):
                    converted = converted.resize((self.width, self.height))
                arrays.append(np.asarray(converted, np.uint8))
        return np.stack(arrays).reshape(-1, self.height, self.width, self.channels)


def files_of(source: Any) -> list[Path]:
    """The image files of a path, a folder or a list of paths, in the order of their names.

    Raises:
        DataError: no image there.
    """
    if isinstance(source, (list, tuple)):
        return [file for path in source for file in files_of(path)]
    path = Path(source)
    files = sorted(file for file in path.rglob("*") if _is_image(file)) if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise DataError(f"there is no image at {str(path)!r}. Known: {', '.join(ENDINGS)}.")
    return files


def is_image_folder(path: str | PathLike[str]) -> bool:
    """True for a folder that holds images, itself or in subfolders."""
    return Path(path).is_dir() and any(map(_is_image, Path(path).rglob("*")))


def load_images(folder: str | PathLike[str], *, size: int | None = None, held_out: Any = 0.2, seed: int = 0) -> Dataset:
    """Make a `Dataset` from a folder of images with one subfolder for each class.

    Args:
        folder: holds the subfolders, whose names are the classes; or ``train`` and ``test`` (or ``val``), which hold
            them.
        size: pixels of each side that all images are brought to; by default their own where it is the same for all,
            else 64.
        held_out: fraction of the images held out, class by class; a number; None or 0; unused where the folder divides
            them.
        seed: of the draw.

    Raises:
        DataError: no images, images outside the subfolders, or a file that is no image.
        MissingExtra: pillow is not installed.
    """
    root = Path(folder)
    parts = next(((root / a, root / b) for a, b in PARTS if (root / a).is_dir() and (root / b).is_dir()), (root,))
    listed = [_by_class(part) for part in parts]
    classes = tuple(listed[0])
    encoder, note = _layout([file for files in listed for of_class in files.values() for file in of_class], size)
    arrays = []
    for part, by_class in zip(parts, listed, strict=True):
        if set(by_class) - set(classes):
            new = ", ".join(sorted(set(by_class) - set(classes)))
            raise DataError(f"{str(part)!r} has classes that {str(parts[0])!r} lacks: {new}.")
        labels = [name for name, files in by_class.items() for _ in files]
        arrays.append((encoder.read(file for files in by_class.values() for file in files), np.array(labels)))
    held_out = arrays[1] if len(arrays) > 1 else held_out
    options: dict[str, Any] = {"task": "binary" if len(classes) == 2 else "multiclass", "classes": classes}
    data = make_dataset(
        *arrays[0], name=root.name, held_out=held_out, seed=seed, encoder=encoder, source=str(root), **options
    )
    return replace(data, notes=(*data.notes, note)) if note else data


def _by_class(folder: Path) -> dict[str, list[Path]]:
    by_class = {
        child.name: sorted(file for file in child.rglob("*") if _is_image(file))
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
    }
    by_class = {name: files for name, files in by_class.items() if files}
    if len(by_class) < 2:
        raise DataError(
            f"{str(folder)!r} has {len(by_class)} subfolders of images: a folder for each of at least two classes is "
            f"needed, with images in it ({', '.join(ENDINGS)})."
        )
    return by_class


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in ENDINGS and not file.name.startswith(".") and file.is_file()


def _layout(files: Sequence[Path], size: int | None) -> tuple[ImageEncoder, str]:
    image = _pillow()
    sizes: Counter[tuple[int, int]] = Counter()
    grey = True
    for file in files:
        with _opened(image, file) as opened:
            sizes[opened.size] += 1
            grey = grey and opened.mode in ("L", "1", "LA")
    (width, height), _ = sizes.most_common(1)[0]
    note = ""
    if size is not None:
        require(size, WholeNumber(1), "image_size")
        width = height = size
    elif len(sizes) > 1:
        width = height = USUAL_SIZE
        note = (
            f"images of {len(sizes)} sizes brought to {USUAL_SIZE}×{USUAL_SIZE}; for another, say "
            f"{option('image_size', 128)}"
        )
    return ImageEncoder(height, width, 1 if grey else 3), note


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
