"""Make ``mnist-5k.npz``, the part of MNIST inside the package: 4,000 training digits and 1,000 held-out ones.

    python tools/make_mnist_5k.py          # reads MNIST as load_dataset("mnist") finds or downloads it

The training digits come from MNIST's training file and the held-out ones from its test file, drawn at random
so that each class keeps its share. The same seed gives the same bytes.
"""

import io
from pathlib import Path

import numpy as np

import pellucid.data
from pellucid.core.files import write_bytes
from pellucid.data import Part, split
from pellucid.data.datasets import load_dataset

SEED = 5000


def draw(part: Part, rows: int) -> Part:
    """``rows`` examples of ``part``, shuffled, each class in proportion."""
    _, drawn = split(part, share=rows / len(part), seed=SEED, stratify=True)
    return drawn


def main() -> None:
    """Write the file into the package."""
    mnist = load_dataset("mnist")
    assert mnist.held_out is not None
    train, held_out = draw(mnist.train, 4000), draw(mnist.held_out, 1000)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        train_x=train.x,
        train_y=train.y.astype(np.uint8),
        held_out_x=held_out.x,
        held_out_y=held_out.y.astype(np.uint8),
    )
    path = Path(pellucid.data.__file__).parent / "files" / "mnist-5k.npz"
    write_bytes(path, buffer.getvalue())
    print(f"{path}: {len(train):,} + {len(held_out):,} digits, {len(buffer.getvalue()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
