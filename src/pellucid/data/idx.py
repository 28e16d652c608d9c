"""Images in the files that MNIST came in: MNIST, and Fashion-MNIST in its place.

The files are looked for in the folder named by ``PELLUCID_DATA``, in the user's cache (``PELLUCID_CACHE``, else
``$XDG_CACHE_HOME/pellucid``, else ``~/.cache/pellucid``) and where packages of the system install them, and are
downloaded into the cache last. They are checked by SHA-256 each time they are read, which costs 0.03 s.
"""

import gzip
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.files import cache_folder, sha256, write_bytes
from pellucid.data.arrays import Part
from pellucid.data.download import Progress, download

SYSTEM = Path("/usr/share/datasets")
"""Folder of the data that Debian packages, one folder for each dataset."""
STEMS = ("train", "t10k")
"""What the names of the files of each part begin with: to learn from, and held out."""


@dataclass(frozen=True)
class IdxFiles:
    """The four files of a dataset of images.

    Args:
        name: of the dataset.
        url: address of the packed files, unless an environment variable (`mirror`) names a mirror.
        files: the size of the gzip file and the SHA-256 of its content, by name.
    """

    name: str
    url: str
    files: Mapping[str, tuple[int, str]]

    @property
    def mirror(self) -> str:
        """Name of the environment variable that names a mirror."""
        return f"PELLUCID_{self.name.upper().replace('-', '_')}_URL"

    def folder(self) -> Path | None:
        """The first folder that holds all files, as gzip or uncompressed."""
        folders = [cache_folder() / self.name, SYSTEM / self.name]
        if data := os.environ.get("PELLUCID_DATA"):
            folders.insert(0, Path(data) / self.name)
        for folder in folders:
            if all((folder / name).is_file() or (folder / f"{name}.gz").is_file() for name in self.files):
                return folder
        return None

    def fetch(self, progress: Progress | None = None) -> Path:
        """Download the files unless they are here, and return their folder.

        Raises:
            DataError: the download failed, or has a wrong content.
        """
        return self.folder() or self._download(progress)

    def load(self) -> tuple[Part, Part]:
        """The images, uint8 ``(rows, 28, 28)``, and their classes: to learn from, and held out.

        Raises:
            DataError: files that cannot be downloaded or have a wrong content.
        """
        folder = self.fetch()

        def read(name: str, offset: int) -> np.ndarray:
            file = folder / name if (folder / name).is_file() else folder / f"{name}.gz"
            content = self._read(file, name, str(file), "Delete the file and load the dataset again.")
            return np.frombuffer(content, np.uint8, offset=offset)

        parts = []
        for stem in STEMS:
            x = _aligned(read(f"{stem}-images-idx3-ubyte", 16)).reshape(-1, 28, 28)
            parts.append(Part(x, read(f"{stem}-labels-idx1-ubyte", 8).astype(np.int32)))
        return parts[0], parts[1]

    def _read(self, file: Path, name: str, origin: str, advice: str) -> bytes:
        try:
            content = file.read_bytes()
            content = content if file.name == name else gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"cannot read {origin!r}: {error}. {advice}") from error
        expected, received = self.files[name][1], sha256(content)
        if received != expected:
            hashes = f"its content has SHA-256 {received[:16]}…, expected {expected[:16]}…"
            raise DataError(f"{origin!r} is not {name} of {self.name}: {hashes}. {advice}")
        return content

    def _download(self, progress: Progress | None) -> Path:
        # Kept unpacked, which reads 5 times faster.
        folder = cache_folder() / self.name
        base = (os.environ.get(self.mirror) or self.url).rstrip("/")
        total, before = sum(size for size, _ in self.files.values()), 0
        for name, (size, _) in self.files.items():
            if not (folder / name).is_file():
                url, part = f"{base}/{name}.gz", folder / f"{name}.gz.part"
                report = progress and (lambda count, _, start=before: progress(start + count, total))
                packed = download(url, part, report)
                advice = f"It was deleted. Try again, or name another mirror by {self.mirror}."
                try:
                    content = self._read(packed, name, url, advice)
                finally:
                    packed.unlink()  # unpacked it is not needed, and damaged it must not be resumed
                write_bytes(folder / name, content)
            before += size
        return folder


def _aligned(pixels: np.ndarray) -> np.ndarray:
    # A copy that begins at a multiple of 64 bytes: jax on a CPU uses it in place, which saves its 47 MB.
    room = np.empty(pixels.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + pixels.nbytes]
    copy[:] = pixels
    return copy


IDX: dict[str, IdxFiles] = {
    files.name: files
    for files in (
        IdxFiles(
            "mnist",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            {
                "train-images-idx3-ubyte": (
                    9912422,
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                ),
                "train-labels-idx1-ubyte": (28881, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
                "t10k-images-idx3-ubyte": (1648877, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
                "t10k-labels-idx1-ubyte": (4542, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
            },
        ),
        IdxFiles(
            "fashion-mnist",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            {
                "train-images-idx3-ubyte": (
                    26421880,
                    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                ),
                "train-labels-idx1-ubyte": (29515, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
                "t10k-images-idx3-ubyte": (4422102, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
                "t10k-labels-idx1-ubyte": (5148, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
            },
        ),
    )
}
"""The datasets of such files by name."""
