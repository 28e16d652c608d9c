"""The log-mel spectrogram: recordings as a network of sound reads them."""

import math
from dataclasses import MISSING
from functools import lru_cache
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from pellucid.core.constraints import POSITIVE, WholeNumber, constrained
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.types import Array, Bool, Cache, Float, Int, Params, Shape, State
from pellucid.layers.layer import AnyKey, Layer, layers

Samples = Float[Array, "batch samples *one"]
Spectrogram = Float[Array, "batch frames bands"]
FLOOR = 1e-6
"""Added before the logarithm: the power of digital silence is 0."""


@layers.register("log_mel")
class LogMel(Layer):
    """Logarithm of the power of sound in bands of the mel scale, frame by frame.

    Formula:
        y[t, b] = log(10⁻⁶ + Σ_k M[b, k] · |Σ_n w[n] · x[tH + n] · exp(−2πi·kn/N)|²), n = 0 … W − 1

        W and H are the samples of window and hop, w[n] = ½ − ½ cos(2πn/W) (Hann), N the next power of two from W on,
        k = 0 … N/2 frequencies of k/N · rate; M[b] is a triangle from 0 over 1 to 0 between three of bands + 2
        frequencies that are even in mel(f) = 2595 log₁₀(1 + f/700) from 0 to rate/2.

    It has no weights: what it computes is known before any training, so that a network of hundreds of numbers a second
    is enough. Frames lie inside the recording; samples behind the last one are left out.

    Args:
        rate: samples a second, of the recordings.
        bands: of each frame.
        window: seconds of a frame.
        hop: seconds from one frame to the next.
        mask_zero: True makes samples of 0 at the end of a recording padding, and frames that begin there padded steps,
            which recurrent layers and poolings pass over.

    Raises:
        InvalidValue: a band without any frequency: too many bands for so short a window.
        ShapeError: at ``init``, recordings that are shorter than a frame, or of several channels.

    Example:
        >>> layer = LogMel(8000, bands=4)
        >>> x = jnp.sin(2 * jnp.pi * 1000 * jnp.arange(8000) / 8000)[None]
        >>> y, _, _ = layer.forward({}, {}, x, key=None, training=False)
        >>> y.shape, y[0, 0].round().tolist()
        ((1, 98, 4), [-7.0, 8.0, 7.0, -11.0])

    That of torchaudio's MelSpectrogram with ``center=False``, and of librosa's with ``htk=True, norm=None,
    center=False``, at the same N; both pad recordings by half a window unless told so.

    Source: Davis, Mermelstein, Comparison of parametric representations for monosyllabic word recognition in
    continuously spoken sentences, 1980.
    """

    precise = True
    formula = "log(10⁻⁶ + M·|FFT(w·x)|²)"
    example = {"rate": 64, "bands": 3, "window": 0.25, "hop": 0.125}, (40, 1)

    rate: int = constrained(MISSING, WholeNumber(1), "samples a second")
    bands: int = constrained(40, WholeNumber(1), "bands of a frame")
    window: float = constrained(0.025, POSITIVE, "seconds of a frame")
    hop: float = constrained(0.010, POSITIVE, "seconds from one frame to the next")
    mask_zero: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        empty = ~self.bank.any(axis=0)
        if empty.any():
            raise InvalidValue(
                f"LogMel: {self.bands} bands at {self.rate} samples a second and frames of {self.window:g} s leave "
                f"band {empty.argmax() + 1} without a frequency, for they lie {self.rate / self.length:.3g} Hz apart. "
                "Choose fewer bands or a longer window."
            )

    @property
    def sample_rate(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the recordings that it reads."""
        return self.rate

    @property
    def masks(self) -> Literal["makes"] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Padding begins here where zeros stand for it."""
        return "makes" if self.mask_zero else None

    @property
    def samples(self) -> tuple[int, int]:
        """Samples of a frame, and from one to the next."""
        return max(1, round(self.window * self.rate)), max(1, round(self.hop * self.rate))

    @property
    def reach(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Samples of a frame: the last real one begins at a sample that is not 0."""
        return self.samples[0]

    @property
    def length(self) -> int:
        """Samples of a frame, filled up with zeros for the Fourier transform."""
        return 1 << (self.samples[0] - 1).bit_length()

    @property
    def bank(self) -> np.ndarray:
        """The triangles M, (frequencies, bands)."""
        return mel_bank(self.rate, self.length, self.bands)

    def output_mask(self, x: Samples, mask: Any) -> Bool[Array, "batch frames"]:
        """True for frames that begin before the last sample that is not 0."""
        starts = self._starts(x.shape[1])
        sounds = x.reshape(x.shape[:2]) != 0
        last = jnp.where(sounds, jnp.broadcast_to(jnp.arange(x.shape[1]), sounds.shape), -1).max(axis=1)
        shape = (x.shape[0], starts.shape[0])
        return jnp.broadcast_to(starts, shape) <= jnp.broadcast_to(last[:, None], shape)

    def init(self, key: AnyKey, input_shape: Shape) -> tuple[Params, State, Shape]:
        if len(input_shape) not in (1, 2) or input_shape[1:] not in ((), (1,)):
            raise ShapeError(
                "LogMel takes recordings of one channel, examples of shape (samples, 1) or (samples,). Received: "
                f"{input_shape}."
            )
        if input_shape[0] < self.samples[0]:
            raise ShapeError(
                f"recordings of {input_shape[0]} samples are shorter than a frame of LogMel, {self.samples[0]} samples "
                f"({self.window:g} s at {self.rate} a second). Give longer ones, or a shorter window."
            )
        return {}, {}, (self._frames(input_shape[0]), self.bands)

    def forward(
        self, params: Params, state: State, x: Samples, *, key: AnyKey = None, training: bool = False
    ) -> tuple[Spectrogram, State, Cache]:
        width, _ = self.samples
        x = x.reshape(x.shape[:2])
        starts = self._starts(x.shape[1])
        offsets = jnp.broadcast_to(jnp.arange(width, dtype=jnp.int32), (starts.shape[0], width))
        frames = x[:, offsets + jnp.broadcast_to(starts[:, None], offsets.shape)]
        window = jnp.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width), x.dtype)
        spectrum = jnp.fft.rfft(frames * jnp.broadcast_to(window, frames.shape), self.length)
        power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
        return jnp.log(power @ jnp.asarray(self.bank, x.dtype) + jnp.asarray(FLOOR, x.dtype)), state, None

    def _frames(self, samples: int) -> int:
        """Number of frames that lie inside."""
        width, hop = self.samples
        return (samples - width) // hop + 1

    def _starts(self, samples: int) -> Int[Array, " frames"]:
        """The first sample of each frame."""
        return jnp.arange(self._frames(samples), dtype=jnp.int32) * self.samples[1]


@lru_cache(maxsize=32)
def mel_bank(rate: int, length: int, bands: int) -> np.ndarray:
    """Triangles of the mel scale over the frequencies of a Fourier transform.

    Formula:
        M[b, k] = max(0, min((f_k − c_b) / (c_{b+1} − c_b), (c_{b+2} − f_k) / (c_{b+2} − c_{b+1}))) with f_k = k/N·rate
        and c even in mel(f) = 2595 log₁₀(1 + f/700) from 0 to rate/2

    Args:
        rate: samples a second.
        length: samples that are transformed, N.
        bands: number of triangles.

    Returns:
        (N/2 + 1, bands), the transpose of M.

    Example:
        >>> mel_bank(8, 8, 3).round(2).tolist()
        [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]

    Source: O'Shaughnessy, Speech communication: human and machine, 1987.
    """
    highest = 2595 * math.log10(1 + rate / 2 / 700)
    centres = 700 * (10 ** (np.linspace(0, highest, bands + 2) / 2595) - 1)
    frequencies = (np.arange(length // 2 + 1) * (rate / length))[:, None]
    rising = (frequencies - centres[:-2]) / (centres[1:-1] - centres[:-2])
    falling = (centres[2:] - frequencies) / (centres[2:] - centres[1:-1])
    return np.maximum(0, np.minimum(rising, falling))
