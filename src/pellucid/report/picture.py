"""Pictures of arrays: examples, weights and filters as PNG within the page."""

import base64
import struct
import zlib

import numpy as np

LARGEST_SIDE = 128
"""Pixels of a side; larger examples are shown by every second, third … pixel."""


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether examples of this shape can be looked at: (height, width), or with 1, 3 or 4 channels.

    Example:
        >>> is_picture((28, 28)), is_picture((32, 32, 3)), is_picture((4,)), is_picture((100, 1))
        (True, True, False, False)
    """
    return len(shape) in (2, 3) and min(shape[:2]) >= 4 and (len(shape) == 2 or shape[2] in (1, 3, 4))


def grey(x: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Numbers as grey values from 0 (``low``, by default the least) to 255 (``high``); what is not finite is black.

    Example:
        >>> grey(np.array([-1.0, 0.0, 1.0])).tolist()
        [0, 128, 255]
    """
    x = np.nan_to_num(np.asarray(x, float), posinf=0.0, neginf=0.0)
    low = float(x.min(initial=np.inf)) if low is None else low
    high = float(x.max(initial=-np.inf)) if high is None else high
    if not high > low:
        return np.zeros(x.shape, np.uint8)
    return np.rint(np.clip((x - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def shades(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Examples (count, height, width[, channels]) as pixels: dark for large where they are grey, else their colours."""
    pixels = grey(x, low, high)
    if pixels.ndim == 4:
        pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]
    return 255 - pixels if pixels.ndim == 3 else pixels


def limits(x: np.ndarray) -> tuple[float, float]:
    """The numbers that are shown as the two ends of the scale."""
    return float(x.min()), float(x.max())


def example(x: np.ndarray, low: float, high: float) -> str:
    """One example (height, width[, channels]) as the address of a PNG."""
    step = -(-max(x.shape[:2]) // LARGEST_SIDE)
    return png(shades(x[None, ::step, ::step], low, high)[0])


def montage(tiles: np.ndarray, columns: int | None = None) -> str:
    """Tiles (count, height, width[, 3]) of grey values or colours, side by side with white between, as a PNG.

    Args:
        tiles: uint8.
        columns: tiles in a row; by default a square, or somewhat wider.
    """
    count, height, width = tiles.shape[:3]
    columns = columns or int(np.ceil(np.sqrt(count * height / width)))
    rows = -(-count // columns)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, *tiles.shape[3:]), 255, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = (place // columns) * (height + 1), (place % columns) * (width + 1)
        sheet[top : top + height, left : left + width] = tile
    return png(sheet)


def png(pixels: np.ndarray) -> str:
    """Grey values (height, width) or colours (height, width, 3), uint8, as a ``data:`` address.

    Source: Portable Network Graphics (PNG) Specification, third edition, W3C 2025.
    """
    height, width = pixels.shape[:2]
    # Each row is led by the number of its filter: 0, none.
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return "data:image/png;base64," + base64.b64encode(content).decode()
