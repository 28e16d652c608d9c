"""Atomic writes, content hashes and the cache folder.

A write goes to a temporary file in the same folder, is forced to the disk (fsync), and only then takes the name of the
old file (rename, one step of the file system). A reader sees the old content or the new one, never a part, even where
the writer is killed.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pellucid.core.errors import StorageError


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Write a whole file or nothing.

    Args:
        path: the file to write or replace. Missing folders are created.
        write: called with a temporary file, opened for writing bytes.

    Raises:
        StorageError: the disk is full, the folder is read-only, … ; a previous file is untouched.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "figures.bin"
        >>> write_atomically(path, lambda file: print(file.write(b"12")))
        2
        >>> path.read_bytes()
        b'12'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            # After a success the name is already gone; after any failure, Ctrl-C too, it must go.
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except StorageError:
        raise
    except OSError as error:
        raise storage_error(path, error) from error


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` as the content of ``path``, by `write_atomically`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "new folder" / "note.txt"
        >>> write_bytes(path, b"whole")
        >>> path.read_text()
        'whole'
    """
    write_atomically(path, lambda file: file.write(data))


def sha256(content: str | os.PathLike[str] | bytes) -> str:
    """SHA-256 of bytes, or of the file at a path, in hexadecimal.

    Example:
        >>> sha256(b"pellucid")[:16]
        '112733a37563404f'

    Source: NIST, FIPS 180-4, 2015.
    """
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with open(content, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """The user's cache folder, for downloaded datasets, compiled programs and pages of the catalogue.

    ``PELLUCID_CACHE``, else ``$XDG_CACHE_HOME/pellucid``, else ``~/.cache/pellucid``.
    """
    if chosen := os.environ.get("PELLUCID_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid"


def _sync_folder(folder: Path) -> None:
    # Forces the folder's list of names to the disk: without it a power cut may undo the rename.
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_ADVICE = {
    errno.ENOSPC: "Free some space, or choose a folder on another disk.",
    getattr(errno, "EDQUOT", -1): "Your quota is used up: delete files, or choose a folder on another disk.",
    errno.EFBIG: "The limit on a file's size (ulimit -f) is reached: raise it, or choose another disk.",
    errno.EACCES: "Choose a folder that you may write to, or change its permissions.",
    errno.EPERM: "Choose a folder that you may write to, or change its permissions.",
    errno.EROFS: "The file system is read-only: choose another folder.",
    errno.ENOTDIR: "A part of this path is a file, not a folder: choose another path.",
    errno.EEXIST: "A part of this path is a file, not a folder: choose another path.",
    errno.EISDIR: "This path is a folder: choose a file name.",
}


def storage_error(path: Path, error: OSError) -> StorageError:
    """Turn an error of the operating system into a `StorageError`.

    Example:
        >>> str(storage_error(Path("/no/run"), OSError(errno.EROFS, "read-only"))).partition(". ")[0]
        "cannot write '/no/run': read-only"
    """
    previous = "The previous file is untouched. " if path.is_file() else ""
    folder = next((parent for parent in path.absolute().parents if parent.is_dir()), None)
    free = f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB are free there. " if folder else ""
    advice = _ADVICE.get(error.errno or 0, "Check the disk and the path.")
    problem = StorageError(f"cannot write {str(path)!r}: {error.strerror or error}. {previous}{free}{advice}")
    problem.errno = error.errno
    return problem
