"""Folders of files, one example each, such as images and recordings: which files there are, and their classes."""

import hashlib
import math
import re
import zipfile
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.files import cache_folder
from pellucid.core.interface import option
from pellucid.data.arrays import Encoder
from pellucid.data.reading import require_file


class FileEncoder(Encoder):
    """Conversion of files of one kind to arrays, one example each.

    A kind of files is a subclass, a frozen dataclass with the field ``file_names``.
    """

    kind: ClassVar[str]
    """Name of such files, in the plural."""
    endings: ClassVar[tuple[str, ...]]
    """Of the files' names, in lower case."""
    options: ClassVar[tuple[str, ...]]
    """Options of `fit`."""
    dtype: ClassVar[Any]
    """Of an example's numbers."""
    preprocessing: ClassVar[Any] = "auto"
    """As for `make_dataset`."""
    file_names: str | None
    """Pattern of the files' names, see `load_audio`; None where the subfolders are the classes."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of an example."""

    @property
    def example_bytes(self) -> int:
        """Memory that an example takes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @classmethod
    @abstractmethod
    def fit(cls, files: Sequence[Path], file_names: str | None, **options: Any) -> tuple[Self, tuple[str, ...]]:
        """Find the shape that all files are brought to, and report what was chosen."""

    @abstractmethod
    def read_one(self, file: Path) -> np.ndarray:
        """The example of a file.

        Raises:
            DataError: a file that cannot be read.
        """

    def read(self, files: Sequence[Path]) -> np.ndarray:
        """The examples of files, one a row."""
        out = np.empty((len(files), *self.shape), self.dtype)

        def fill(row: int) -> None:
            out[row] = self.read_one(files[row])

        with ThreadPoolExecutor() as threads:  # decoders release the interpreter's lock
            for _ in threads.map(fill, range(len(files))):
                pass
        return out

    def encode(self, source: Any) -> np.ndarray:
        """The examples of a file, a folder or a list of files, in the order of their names.

        Raises:
            DataError: no such file there, or one that cannot be read.
        """
        return self.read(self.files_of(source))

    def encode_with_targets(self, source: Any) -> tuple[np.ndarray, np.ndarray]:
        """The examples of a folder and the classes that its subfolders, or the names of its files, tell."""
        listing = list_files(unpacked(source), type(self), self.file_names)
        return self.read(listing.files), listing.labels

    @classmethod
    def files_of(cls, source: Any) -> list[Path]:
        """The files of a path, a folder, a zip file or a list of paths, in the order of their names.

        Raises:
            DataError: no such file there.
        """
        if isinstance(source, (list, tuple)):
            return [file for path in source for file in cls.files_of(path)]
        path = unpacked(source)
        files = sorted(filter(cls.reads, path.rglob("*"))) if path.is_dir() else [path]
        if not files or not files[0].exists():
            raise DataError(f"there are no {cls.kind} at {str(source)!r}. Known: {', '.join(cls.endings)}.")
        return files

    @classmethod
    def reads(cls, file: Path) -> bool:
        """True for a file of this kind, by its name."""
        return file.suffix.lower() in cls.endings and not file.name.startswith(".") and file.is_file()


class Listing(NamedTuple):
    """Files, and the class and group of each."""

    files: list[Path]
    labels: np.ndarray
    groups: np.ndarray | None
    """None where the files have no groups."""

    def take(self, chosen: np.ndarray) -> "Listing":
        """Some of them."""
        files = [file for file, one in zip(self.files, chosen, strict=True) if one]
        return Listing(files, self.labels[chosen], None if self.groups is None else self.groups[chosen])


def classes_of(labels: np.ndarray) -> tuple[str, ...]:
    """The classes of labels, in the order of their names."""
    return tuple(sorted(set(labels.tolist())))


def list_files(folder: Path, encoder: type[FileEncoder], file_names: str | None) -> Listing:
    """The files of a folder with their classes, by subfolder or by their names.

    Raises:
        DataError: no files, or one whose class is not told.
    """
    if file_names is not None:
        return _by_name(encoder.files_of(folder), file_names)
    by_class = {
        child.name: sorted(filter(encoder.reads, child.rglob("*")))
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
    }
    by_class = {name: files for name, files in by_class.items() if files}
    if len(by_class) < 2:
        raise DataError(
            f"{str(folder)!r} has {len(by_class)} subfolders of {encoder.kind}: a folder for each of at least two "
            f"classes is needed, with {encoder.kind} in it ({', '.join(encoder.endings)}). Where the names of the "
            f"files tell the classes, say {option('file_names', '{label}_*')}."
        )
    labels = [name for name, files in by_class.items() for _ in files]
    return Listing([file for files in by_class.values() for file in files], np.array(labels), None)


def _by_name(files: list[Path], file_names: str) -> Listing:
    if file_names.count("{label}") != 1 or file_names.count("{group}") > 1:
        raise DataError(
            f"file_names is a pattern with one {{label}}, and at most one {{group}}: '{{label}}_{{group}}_*'. "
            f"Received: {file_names!r}."
        )
    special = {"{label}": "(?P<label>.+?)", "{group}": "(?P<group>.+?)", "*": ".*"}
    pieces = re.split(r"(\{label\}|\{group\}|\*)", file_names)
    pattern = re.compile("".join(special.get(piece, re.escape(piece)) for piece in pieces))
    matches = [pattern.fullmatch(file.stem) for file in files]
    fields = [match.groupdict() for match in matches if match is not None]
    if len(fields) < len(files):
        file = files[matches.index(None)]
        raise DataError(f"the name of {str(file)!r} is not of the form {file_names!r}: its class is not known.")
    groups = np.array([one["group"] for one in fields]) if "{group}" in file_names else None
    return Listing(files, np.array([one["label"] for one in fields]), groups)


def kind_of_files(path: Path, kinds: Sequence[type[FileEncoder]]) -> tuple[type[FileEncoder] | None, str]:
    """Find the kind of most files of a folder or zip file, and report what is left out; None where it is of no kind."""
    if path.is_dir():
        endings = Counter(Path(name).suffix.lower() for name in map(str, path.rglob("*")))
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            endings = Counter(Path(name).suffix.lower() for name in packed.namelist())
    else:
        return None, ""
    counts = {kind: sum(endings[ending] for ending in kind.endings) for kind in kinds}
    chosen = max(kinds, key=lambda kind: counts[kind])
    if not counts[chosen]:
        return None, ""
    others = [f"{count} {kind.kind}" for kind, count in counts.items() if count and kind is not chosen]
    return chosen, f"{', '.join(others)} beside the {chosen.kind} left out" if others else ""


def unpacked(path: str | PathLike[str]) -> Path:
    """The folder of what a zip file holds, unpacked into the cache; any other path as it is.

    Raises:
        DataError: nothing is there, or a damaged zip file.
    """
    require_file(Path(path))
    if not zipfile.is_zipfile(path):
        return Path(path)
    with open(path, "rb") as file:
        folder = cache_folder() / "unpacked" / hashlib.file_digest(file, "sha256").hexdigest()[:16]
    if not folder.exists():
        partial = folder.with_suffix(".part")
        try:
            with zipfile.ZipFile(path) as packed:
                packed.extractall(partial)
        except (OSError, zipfile.BadZipFile, RuntimeError) as error:
            raise DataError(f"{str(path)!r} cannot be unpacked: {error}.") from error
        partial.rename(folder)
    return folder
