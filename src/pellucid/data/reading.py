"""Tables from files, data frames, dictionaries, arrays and lists of rows."""

import bz2
import gzip
import io
import json
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.errors import DataError, did_you_mean
from pellucid.data.delimited import read_delimited
from pellucid.data.excel import read_excel
from pellucid.data.objects import of_array, of_arrow, of_rows, read_object
from pellucid.data.table import Table, normal

MAGIC: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
    b"\x28\xb5\x2f\xfd": lambda content: _arrow_decompress(content, "zstd"),
    b"\x04\x22\x4d\x18": lambda content: _arrow_decompress(content, "lz4"),
}
"""First bytes of compressed files, and how they are unpacked."""
BINARY = (*MAGIC, b"PAR1", b"ARROW1", b"\x93NUMPY", b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""First bytes of files that are not text."""
DAMAGED = (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""Errors of unpacking; a RuntimeError is an archive that needs a password."""


def read_table(
    source: Any,
    *,
    header: bool = True,
    names: Sequence[str] = (),
    na: Sequence[str] | None = None,
    encoding: str | None = None,
    texts: Sequence[str] = (),
) -> Table:
    """Read a table from whatever holds one.

    Args:
        source: the path of a file: separated values (compressed or not), JSON lines, Parquet, Arrow, ``.npy``, Excel; a
            data frame (pandas, Polars, PyArrow, …); a dictionary of columns; a list of ``{column: value}``; a
            structured, masked, sparse or plain array of two axes, whose columns are named "0", "1", ….
        header: True if the first line of separated values holds the names of the columns.
        names: of the columns, where the source has none.
        na: cells that count as missing, besides empty ones; None for the usual ones.
        encoding: of the characters of a file; found out if None.
        texts: columns that are read as they are written, digits or not.

    Raises:
        DataError: a source that is no table; names the line.
        MissingExtra: an Excel file without the package that reads it.
    """
    if isinstance(source, Table):
        return source
    markers, verbatim = markers_of(na), frozenset(map(normal, texts))
    if isinstance(source, (str, os.PathLike)):
        table = _read_file(Path(source), header, names, markers, encoding, verbatim)
    else:
        table = read_object(source, verbatim)
        if names:
            table = _renamed(table, names)
    return replace(table, na=markers)


def markers_of(na: Sequence[str] | None) -> frozenset[str] | None:
    """The cells that count as missing, in lower case; None for the usual ones."""
    return None if na is None else frozenset({"", *(str(text).strip().lower() for text in na)})


def _renamed(table: Table, names: Sequence[str]) -> Table:
    if len(names) != len(table.columns):
        raise DataError(f"{len(names)} names for the {len(table.columns)} columns of {table.source}.")
    return replace(table, columns=dict(zip(map(normal, names), table.columns.values(), strict=True)))


# ---- Files ----


def _read_file(
    path: Path,
    header: bool,
    names: Sequence[str],
    na: frozenset[str] | None,
    encoding: str | None,
    texts: frozenset[str],
) -> Table:
    source = repr(str(path))
    require_file(path)
    try:
        with open(path, "rb") as file:
            start = file.read(8)
        content: bytes | Path = path
        if unpack := next((unpack for magic, unpack in MAGIC.items() if start.startswith(magic)), None):
            content = unpack(path.read_bytes())
            start = content[:8]
        elif start.startswith(b"PK\x03\x04") and not _is_excel(path):
            content = _only_member(path)
            start = content[:8]
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {source}: {reason}.") from error
    name = path.name.split(".")[0] or path.name
    if start.startswith(b"PAR1"):
        return _read_parquet(content, name, source, texts)
    if start.startswith(b"ARROW1"):
        return _read_arrow(content, name, source, texts)
    if start.startswith(b"\x93NUMPY"):
        return _read_npy(content, name, source)
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return read_excel(path, name, source, header, names, texts)
    first = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"{" or (first == b"[" and path.suffixes and ".json" in "".join(path.suffixes)):
        return _read_json(content, name, source, first == b"[", texts)
    options: dict[str, Any] = {"header": header, "names": names, "na": na, "encoding": encoding, "texts": texts}
    return read_delimited(content, name, source, **options)


def require_file(path: Path) -> None:
    """Refuse a path where nothing is, with the near names of its folder.

    Raises:
        DataError: nothing is there.
    """
    if path.exists():
        return
    if not path.parent.is_dir():
        raise DataError(f"there is no file {str(path)!r}: no folder {str(path.parent)!r} either.")
    near = did_you_mean(path.name, (other.name for other in path.parent.iterdir()))
    raise DataError(f"there is no file {str(path)!r}.{near}")


def _arrow_decompress(content: bytes, codec: str) -> bytes:
    import pyarrow

    return pyarrow.CompressedInputStream(pyarrow.BufferReader(content), codec).read()


def _only_member(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(members) != 1:
            raise DataError(
                f"{str(path)!r} is an archive of {len(members)} files ({', '.join(members[:5])}). Unpack it, and give "
                "one of them."
            )
        return archive.read(members[0])


def _is_excel(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _as_stream(content: bytes | Path) -> Any:
    import pyarrow

    return str(content) if isinstance(content, Path) else pyarrow.BufferReader(content)


def _read_parquet(content: bytes | Path, name: str, source: str, texts: frozenset[str]) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        return of_arrow(pyarrow.parquet.read_table(_as_stream(content)), name, source, texts)
    except pyarrow.ArrowException as error:
        raise DataError(f"{source} is not a Parquet file: {error}.") from error


def _read_arrow(content: bytes | Path, name: str, source: str, texts: frozenset[str]) -> Table:
    import pyarrow
    import pyarrow.feather

    try:
        return of_arrow(pyarrow.feather.read_table(_as_stream(content)), name, source, texts)
    except pyarrow.ArrowException as error:
        raise DataError(f"{source} is not an Arrow file: {error}.") from error


def _read_npy(content: bytes | Path, name: str, source: str) -> Table:
    try:
        array = np.load(content if isinstance(content, Path) else io.BytesIO(content), allow_pickle=False)
    except ValueError as error:
        raise DataError(f"{source} cannot be read: {error}.") from error
    return replace(of_array(array), name=name, source=source)


def _read_json(content: bytes | Path, name: str, source: str, whole: bool, texts: frozenset[str]) -> Table:
    text = content.read_bytes() if isinstance(content, Path) else content
    text = text.removeprefix(b"\xef\xbb\xbf")
    if whole or b"\n" not in text.strip():
        try:
            rows = json.loads(text)
        except ValueError as error:
            raise DataError(f"{source} is not JSON: {error}.") from error
        return replace(_of_json(rows if isinstance(rows, list) else [rows], source, texts), name=name)
    return read_json_lines(text, name, source, texts)


def read_json_lines(text: bytes, name: str, source: str, texts: frozenset[str], before: int = 0) -> Table:
    """Read lines of ``{column: value}``; so many ``before`` them were read already."""
    import pyarrow
    import pyarrow.json

    starts = [before + number for number, _ in _numbered(text)]
    try:
        table = of_arrow(pyarrow.json.read_json(pyarrow.BufferReader(text)), name, source, texts)
    except pyarrow.ArrowException:  # values of several kinds in a column, or a fault
        rows = [_parsed(line, before + number, source) for number, line in _numbered(text)]
        table = replace(_of_json(rows, source, texts), name=name)
    return replace(table, line_of=lambda row: starts[row])


def _numbered(text: bytes) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(text.split(b"\n"), start=1) if line.strip())


def _parsed(line: bytes, number: int, source: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise DataError(f"line {number} of {source} is not JSON: {error}.") from error


def _of_json(rows: list[Any], source: str, texts: frozenset[str]) -> Table:
    """The table of rows, where a name that a row lacks is a missing value."""
    other = next((row for row in rows if not isinstance(row, dict)), None)
    if not rows or other is not None:
        raise DataError(f"{source} must hold rows of named values, {{column: value}}. Received: {other!r:.80}.")
    names = dict.fromkeys(name for row in rows for name in row)
    return of_rows([{name: row.get(name) for name in names} for row in rows], source, texts)


# ---- Pairs of texts ----


def read_pairs(path: str | os.PathLike[str] | None, default: str, form: str, origin: str) -> list[tuple[str, str]]:
    """Read lines of two texts with a TAB between them.

    Of a zip file the first member is read. ``form`` and ``origin`` are for error messages.
    """
    path = pairs_path(path, default)
    try:
        content = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content = archive.read(next(name for name in archive.namelist() if name[0] != "_"))
        lines = content.decode("utf-8").removesuffix("\n").split("\n")  # a text may hold Unicode's other line ends
    except (OSError, StopIteration, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"cannot read {str(path)!r}: {error}. Download {origin}, and give its path, or put it at {default} in the "
            "folder that the environment variable PELLUCID_DATA names."
        ) from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        left, tab, right = line.partition("\t")
        if not tab or not left:
            raise DataError(f"line {number} of {str(path)!r} is not '{form}': {line[:60]!r}.")
        pairs.append((left, right))
    return pairs


def pairs_path(path: str | os.PathLike[str] | None, default: str) -> Path:
    """The given path, else ``default`` in the folder that ``PELLUCID_DATA`` names."""
    return Path(os.environ.get("PELLUCID_DATA", "."), default) if path is None else Path(path)
