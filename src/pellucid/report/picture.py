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


def shade(x: np.ndarray, signed: bool = False, ends: tuple[float, float] | None = None) -> np.ndarray:
    """Numbers as colours, shape (…, 3), uint8: white to dark blue, or where signed orange, white for 0, blue.

    Uint8 whose last axis counts 3 or 4 channels are colours already.

    Args:
        x: shape (…,); or (…, channels) of an image with channels.
        signed: whether 0 is white.
        ends: the numbers at the two ends of the scale; by default the least and the largest.

    Example:
        >>> shade(np.array([-1.0, 0.0, 1.0]), signed=True).tolist()
        [[127, 59, 8], [255, 255, 255], [8, 48, 107]]
    """
    x = np.asarray(x)
    if x.ndim >= 3 and x.shape[-1] in (3, 4):
        return grey(x[..., :3]) if x.dtype != np.uint8 else x[..., :3]
    x = np.nan_to_num(np.asarray(x[..., 0] if x.ndim == 4 else x, float), posinf=0.0, neginf=0.0)
    if ends is None:
        largest = float(np.abs(x).max(initial=0)) or 1.0
        ends = (-largest, largest) if signed else (float(x.min(initial=np.inf)), float(x.max(initial=-np.inf)))
    low, high = ends
    at = np.clip((x - low) / ((high - low) or 1.0), 0, 1)
    stops, colours = _DIVERGING if signed else _SEQUENTIAL
    return np.stack([np.interp(at, stops, channel) for channel in colours.T], axis=-1).round().astype(np.uint8)


def shaded_png(array: np.ndarray, signed: bool = False) -> str:
    """The address of a PNG: uint8 as they are, other numbers in shades."""
    if array.dtype == np.uint8:
        return png(array[..., :3] if array.ndim == 3 else array)
    return png(shade(array, signed))


_DIVERGING = (
    np.array([0, 0.25, 0.5, 0.75, 1.0]),
    np.array([[127, 59, 8], [230, 145, 56], [255, 255, 255], [107, 174, 214], [8, 48, 107]]),
)
"""Orange, white, blue; both ends are dark, so that in grey a page's signs are told by the words beside it."""
_SEQUENTIAL = (
    np.array([0, 0.25, 0.5, 0.75, 1.0]),
    np.array([[255, 255, 255], [198, 219, 239], [107, 174, 214], [33, 113, 181], [8, 48, 107]]),
)


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
