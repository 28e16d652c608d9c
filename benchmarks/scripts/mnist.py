"""MNIST from its four files, and what every script is told on its command line."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np


def arguments() -> tuple[Path, int, Path]:
    """Folder of MNIST, epochs, and the folder to save to."""
    folder, epochs, output = sys.argv[1:]
    return Path(folder), int(epochs), Path(output)


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training rows, their classes, test rows, their classes; pixels as float32 from 0 to 1."""

    def part(stem: str) -> tuple[np.ndarray, np.ndarray]:
        images = np.frombuffer(_content(folder / f"{stem}-images-idx3-ubyte"), np.uint8, offset=16)
        classes = np.frombuffer(_content(folder / f"{stem}-labels-idx1-ubyte"), np.uint8, offset=8)
        # In one go: astype and then a division would hold the rows twice.
        pixels = np.divide(images.reshape(-1, 784), 255, dtype=np.float32)
        return pixels, classes.astype(np.int64)

    return (*part("train"), *part("t10k"))


def report(accuracy: float) -> None:
    """The test accuracy, on stdout."""
    print(json.dumps({"accuracy": float(accuracy)}))


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else gzip.decompress(path.with_name(path.name + ".gz").read_bytes())
