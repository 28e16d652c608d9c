"""Arrays as colours and as PNG: examples, weights, filters, heat maps."""

import base64
import struct
import zlib

import numpy as np

LARGEST_SIDE = 128
"""Pixels of a side; larger examples are shown by every second, third … pixel."""
_STOPS = np.array([0, 0.25, 0.5, 0.75, 1.0])
_DIVERGING = np.array([[230, 110, 20], [250, 180, 110], [255, 255, 255], [107, 174, 214], [8, 48, 107]])
"""Orange, white, blue, for the sign of a number on every page; in grey print only positive numbers become dark."""
_SEQUENTIAL = np.array([[255, 255, 255], [198, 219, 239], [107, 174, 214], [33, 113, 181], [8, 48, 107]])


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether examples of this shape can be looked at: (height, width), or with 1, 3 or 4 channels.

    Example:
        >>> is_picture((28, 28)), is_picture((32, 32, 3)), is_picture((4,)), is_picture((100, 1))
        (True, True, False, False)
    """
    return len(shape) in (2, 3) and min(shape[:2]) >= 4 and (len(shape) == 2 or shape[2] in (1, 3, 4))


def shade(x: np.ndarray, signed: bool = False, ends: tuple[float, float] | None = None) -> np.ndarray:
    """Numbers as colours from white to dark blue, or where signed from orange over white for 0 to blue.

    Example:
        >>> shade(np.array([-1.0, 0.0, 1.0]), signed=True).tolist()
        [[230, 110, 20], [255, 255, 255], [8, 48, 107]]
    """
    x = np.nan_to_num(np.asarray(x, float), posinf=0.0, neginf=0.0)
    if ends is None:
        largest = float(np.abs(x).max(initial=0))
        ends = (-largest, largest) if signed else (float(x.min(initial=np.inf)), float(x.max(initial=-np.inf)))
    at = np.clip((x - ends[0]) / ((ends[1] - ends[0]) or 1.0), 0, 1)
    colours = _DIVERGING if signed else _SEQUENTIAL
    return np.stack([np.interp(at, _STOPS, channel) for channel in colours.T], axis=-1).round().astype(np.uint8)


def pixels(x: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Images, shape (count, height, width[, channels]), as grey values, dark for large, or as their colours (uint8).

    Example:
        >>> pixels(np.array([[[-1.0, 0.0, 1.0]]])).tolist()
        [[[255, 127, 0]]]
    """
    x = np.nan_to_num(np.asarray(x, float), posinf=0.0, neginf=0.0)
    low = float(x.min(initial=np.inf)) if low is None else low
    high = float(x.max(initial=-np.inf)) if high is None else high
    shown = np.rint(np.clip((x - low) / ((high - low) or 1.0), 0, 1) * 255).astype(np.uint8)
    if shown.ndim == 4 and shown.shape[-1] >= 3:
        return shown[..., :3]
    return 255 - (shown[..., 0] if shown.ndim == 4 else shown)


def example(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """One example (height, width[, channels]) as pixels, thinned where it is large."""
    step = -(-max(x.shape[:2]) // LARGEST_SIDE)
    return pixels(x[None, ::step, ::step], low, high)[0]


def shaded_png(array: np.ndarray, signed: bool = False) -> str:
    """The address of a PNG: uint8 are pixels as they are, other numbers become shades."""
    return png(array if array.dtype == np.uint8 else shade(array, signed))


def png(pixels: np.ndarray) -> str:
    """Grey values (height, width) or colours (height, width, 3), uint8, as a ``data:`` address."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(pixels)).decode()


def png_bytes(pixels: np.ndarray) -> bytes:
    """Grey values (height, width) or colours (height, width, 3), uint8, as the content of a PNG file.

    Source: Portable Network Graphics (PNG) Specification, third edition, W3C 2025.
    """
    height, width = pixels.shape[:2]
    # Each row is led by the number of its filter: 0, none.
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
