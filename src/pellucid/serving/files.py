"""An image or a recording as the body of a request."""

import io
from typing import Any

import numpy as np

from pellucid.core.errors import PellucidError
from pellucid.data.audio import AudioEncoder
from pellucid.data.images import ImageEncoder
from pellucid.data.media import FileEncoder
from pellucid.serving.limits import Refused

MEDIA: dict[type[FileEncoder], str] = {ImageEncoder: "image/", AudioEncoder: "audio/"}
"""The media types of each kind of files, by their beginning."""
MOST_NUMBERS = 1 << 26
"""Most pixels or samples of a file: a body of kilobytes may say that it holds billions."""


class Body(io.BytesIO):
    """The bytes of a body, as error messages call them."""

    def __repr__(self) -> str:
        return "the body"

    __str__ = __repr__


def media_of(encoder: Any) -> str | None:
    """The beginning of the media types that a run takes; None where its examples are no files."""
    return MEDIA.get(type(encoder))


def read_file(encoder: Any, body: bytes) -> np.ndarray:
    """The example that a file is, as a batch of one.

    Args:
        encoder: of the run.
        body: the file.

    Raises:
        DataError: a file that cannot be read.
        Refused: a file of more than `MOST_NUMBERS` pixels or samples.
    """
    file: Any = Body(body)
    try:
        numbers = _pixels(file) if isinstance(encoder, ImageEncoder) else _samples(file)
        if numbers > MOST_NUMBERS:
            raise Refused(413, f"a file has at most {MOST_NUMBERS:,} pixels or samples. Received: {numbers:,}.")
        file.seek(0)
        return encoder.read_one(file)[None]
    except (PellucidError, Refused, ImportError):
        raise
    except Exception as error:  # decoders raise anything for a damaged file
        raise Refused(422, f"the body cannot be read as {encoder.kind[:-1]}: {error}.") from error


def _pixels(file: Any) -> int:
    from PIL import Image

    with Image.open(file) as image:
        return image.width * image.height


def _samples(file: Any) -> int:
    import soundfile

    info = soundfile.info(file)
    return info.frames * info.channels
