"""Recordings in a folder, one subfolder for each class."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np

from pellucid.core.constraints import POSITIVE, WholeNumber, require
from pellucid.core.errors import DataError, MissingExtra
from pellucid.core.interface import option
from pellucid.data.arrays import Dataset
from pellucid.data.file_dataset import load_files
from pellucid.data.media import FileEncoder
from pellucid.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class AudioEncoder(FileEncoder):
    """Conversion of recordings to samples from −1 to 1, float32 ``(recordings, samples, 1)``.

    Args:
        rate: samples a second.
        samples: of each recording: shorter ones are filled up with zeros, longer ones cut off.
        file_names: pattern of the files' names, see `load_audio`.
    """

    kind = "recordings"
    endings = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")
    options = ("rate", "seconds")
    preprocessing = Preprocessing()  # a spectrogram takes sound as it is
    dtype = np.float32

    rate: int
    samples: int
    file_names: str | None = None

    @property
    def sample_rate(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Samples a second."""
        return self.rate

    @property
    def front(self) -> tuple[dict[str, Any], ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """A spectrogram, each band brought to mean 0 and standard deviation 1."""
        return {"name": "log_mel", "rate": self.rate}, {"name": "batch_norm"}

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples, and one channel."""
        return self.samples, 1

    @classmethod
    def fit(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, files: Sequence[Path], file_names: str | None, *, rate: int | None = None, seconds: float | None = None
    ) -> tuple[Self, tuple[str, ...]]:
        """Find the rate and the length that all recordings are brought to."""
        infos = [_described(file) for file in files]
        rates: Counter[int] = Counter(info.samplerate for info in infos)
        lengths = [info.frames / info.samplerate for info in infos]
        shortest, longest = min(lengths), max(lengths)
        notes = []
        if rate is not None:
            require(rate, WholeNumber(1), "rate")
        elif len(rates) > 1:
            notes.append(
                f"recordings of {len(rates)} rates brought to {rates.most_common(1)[0][0]} samples a second; for "
                f"another, say {option('rate', 16000)}"
            )
        rate = int(rates.most_common(1)[0][0]) if rate is None else rate
        if seconds is None:
            samples = max(-(-info.frames * rate // info.samplerate) for info in infos)
            if shortest < longest:
                notes.append(
                    f"recordings of {shortest:.2f} to {longest:.2f} s filled up with zeros to {longest:.2f} s; for "
                    f"fewer, say {option('seconds', 1)}"
                )
        else:
            require(seconds, POSITIVE, "seconds")
            samples = max(1, round(seconds * rate))
            longer = sum(length > seconds for length in lengths)
            if longer:
                notes.append(f"{longer} of {len(lengths)} recordings are longer than {seconds:g} s and cut off")
        if any(info.channels > 1 for info in infos):
            notes.append("the channels of a recording are averaged to one")
        return cls(rate, samples, file_names), tuple(notes)

    def read_one(self, file: Path) -> np.ndarray:
        """The samples of a file."""
        soundfile = _soundfile()
        try:
            sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
        except (OSError, soundfile.SoundFileError) as error:
            raise _not_readable(file, error) from error
        sound = sound.mean(axis=1)
        if rate != self.rate:
            from scipy.signal import resample_poly

            common = gcd(rate, self.rate)
            sound = resample_poly(sound, self.rate // common, rate // common).astype(np.float32)
        out = np.zeros(self.shape, np.float32)
        out[: len(sound), 0] = sound[: self.samples]
        return out


def load_audio(
    folder: str | PathLike[str],
    *,
    rate: int | None = None,
    seconds: float | None = None,
    file_names: str | None = None,
    held_out: Any = 0.2,
    stream: bool = False,
    seed: int = 0,
) -> Dataset:
    """Make a `Dataset` from a folder, or a zip file, of recordings with one subfolder for each class.

    The inputs are samples from −1 to 1, ``(recordings, samples, 1)``, of one channel, which `LogMel` turns into a
    spectrogram inside the network.

    Args:
        folder: holds the subfolders, whose names are the classes; or ``train`` and ``test`` (or ``val``), which hold
            them.
        rate: samples a second that all recordings are brought to; by default that of most.
        seconds: length that all are brought to: shorter ones are filled up with zeros, longer ones cut off; by default
            the longest.
        file_names: pattern of the files' names, without ending, where these tell the classes: ``{label}`` is the class,
            ``{group}`` a group that is held out whole or not at all, ``*`` anything, as in ``"{label}_{group}_*"``.
        held_out: fraction of the recordings held out, class by class; a number; None or 0; a pattern of the names of
            those held out, such as ``"*_[0-4].wav"``; or another such folder. Unused where the folder divides them.
        stream: read the recordings while they are trained on, instead of holding them in memory.
        seed: of the draw.

    Raises:
        DataError: no recordings, recordings outside the subfolders, or a file that is none.
        MissingExtra: soundfile is not installed.
    """
    options: dict[str, Any] = {"held_out": held_out, "stream": stream, "seed": seed}
    return load_files(AudioEncoder, folder, rate=rate, seconds=seconds, file_names=file_names, **options)


def _described(file: Path) -> Any:
    soundfile = _soundfile()
    try:
        info = soundfile.info(file)
    except (OSError, soundfile.SoundFileError) as error:
        raise _not_readable(file, error) from error
    if not info.frames:
        raise DataError(f"{str(file)!r} is a recording without any samples. Leave it out.")
    return info


def _not_readable(file: Path, error: Exception) -> DataError:
    return DataError(f"{str(file)!r} is not a recording that can be read: {error}")


def _soundfile() -> Any:
    try:
        import soundfile
    except ImportError as error:
        raise MissingExtra("soundfile", "audio", "Reading recordings") from error
    return soundfile
