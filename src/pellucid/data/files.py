"""Datasets from files of any kind."""

import inspect
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.errors import DataError
from pellucid.core.files import cache_folder, sha256, write_bytes
from pellucid.data.arrays import Dataset
from pellucid.data.audio import AudioEncoder
from pellucid.data.build import load_table, make_dataset
from pellucid.data.file_dataset import load_files
from pellucid.data.images import ImageEncoder
from pellucid.data.media import FileEncoder, kind_of_files
from pellucid.data.reading import require_file
from pellucid.data.shards import DELIMITED, PARQUET, holds_tables, is_address
from pellucid.data.tokens import load_texts

ARRAYS = (("x", "y"), ("X", "y"), ("x_train", "y_train"), ("X_train", "y_train"), ("train_x", "train_y"))
"""Names of inputs and targets in an ``.npz`` file."""
FILES: tuple[type[FileEncoder], ...] = (ImageEncoder, AudioEncoder)
"""Kinds of files of which a folder holds one for each example."""
_NOT_OF_TEXTS = ("inputs", "columns", "window", "horizon", "stream", "kept")
_TOKENS = ("text", "tokenizer", "length")
TABLE = tuple(inspect.signature(load_table).parameters)[1:]
"""Options of a table."""
TEXTS = (*(name for name in TABLE if name not in _NOT_OF_TEXTS), *_TOKENS)
"""Options of a table whose texts become tokens."""
HELD_OUT = (("x_test", "y_test"), ("X_test", "y_test"), ("held_out_x", "held_out_y"), ("test_x", "test_y"))


def open_file(path: str, **options: Any) -> Dataset:
    """Make a dataset from a table file, a folder of tables, images or recordings, or an ``.npz`` file of arrays.

    Args:
        path: the file or folder.
        options: of `load_table`, `load_images`, `load_audio` or `make_dataset`; None counts as not given.

    Raises:
        DataError: a file that cannot be trained on, or a table without a target.
    """
    if is_address(path):
        return load_table(path, **options)
    require_file(Path(path))
    kind, left_out = kind_of_files(Path(path), FILES)
    if kind is not None:
        _refuse(options, ("held_out", "stream", "seed", "file_names", *kind.options), path, f"a folder of {kind.kind}")
        data = load_files(kind, path, **options)
        return replace(data, notes=(*data.notes, left_out)) if left_out else data
    if Path(path).is_dir():
        if not holds_tables(path):
            raise DataError(
                f"{path!r} is a folder without {', '.join(kind.kind for kind in FILES)} or tables: give a file, a "
                f"folder with one for each class, or a folder of tables ({', '.join((*PARQUET, *DELIMITED))})."
            )
        _refuse(options, TABLE, path, "a folder of tables")
        return load_table(path, **options)
    if path.lower().endswith(".npz"):
        return _open_arrays(path, options)
    if "text" in options:
        _refuse(options, TEXTS, path, "a table of texts")
        return load_texts(path, **options)
    _refuse(options, TABLE, path, "a table")
    return load_table(path, **options)


def _open_arrays(path: str, options: dict[str, Any]) -> Dataset:
    _refuse(options, ("held_out", "seed", "task", "missing"), path, "a file of arrays")
    arrays = read_arrays(path)
    x, y = _pair(arrays, ARRAYS, path)
    rest = next((names for names in HELD_OUT if set(names) <= arrays.keys()), None)
    held_out = options.pop("held_out", 0.2) if rest is None else tuple(arrays[name] for name in rest)
    return make_dataset(x, y, name=Path(path).stem, source=path, held_out=held_out, **options)


def read_examples(path: str) -> tuple[np.ndarray, np.ndarray]:
    """The inputs and targets that an ``.npz`` file holds, those held out first.

    Raises:
        DataError: a file without them.
    """
    return _pair(read_arrays(path), (*HELD_OUT, *ARRAYS), path)


def _pair(
    arrays: Mapping[str, np.ndarray], pairs: Sequence[tuple[str, str]], path: str
) -> tuple[np.ndarray, np.ndarray]:
    pair = next((names for names in pairs if set(names) <= arrays.keys()), None)
    if pair is None:
        raise DataError(
            f"{path!r} holds the arrays {', '.join(arrays)}. It must hold inputs and targets as x and y, or as "
            "x_train, y_train, x_test and y_test."
        )
    return arrays[pair[0]], arrays[pair[1]]


def _refuse(options: Mapping[str, Any], known: tuple[str, ...], path: str, what: str) -> None:
    for name in options:
        if name not in known:
            typed = [f"--{option.replace('_', '-')}" for option in known]
            raise DataError(
                f"{path!r} is {what}, which takes no --{name.replace('_', '-')}. It takes {', '.join(typed)}."
            )


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file, or the one of an ``.npy`` file, by name.

    Raises:
        DataError: a file that is none.
    """
    try:
        require_file(Path(path))
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return {"x": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read {path!r}: {error}.") from error


def read_inputs(path: str) -> np.ndarray:
    """The inputs that an ``.npy`` or ``.npz`` file holds.

    Raises:
        DataError: a file without an array of inputs.
    """
    arrays = read_arrays(path)
    names = ("x", "X", *(pair[0] for pair in (*HELD_OUT, *ARRAYS)))
    found = next((name for name in names if name in arrays), next(iter(arrays)) if len(arrays) == 1 else None)
    if found is None:
        raise DataError(f"{path!r} holds the arrays {', '.join(arrays)}, none of them named x.")
    return arrays[found]


def keep(content: bytes) -> Path:
    """Keep what came from standard input, so that the run can open its data again."""
    path = cache_folder() / "stdin" / sha256(content)[:16]
    if not path.exists():
        write_bytes(path, content)
    return path
