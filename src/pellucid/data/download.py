"""Downloads that survive a broken connection: resumed, retried, with a time limit."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from pellucid.core.errors import DataError, StorageError
from pellucid.core.files import storage_error

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes received so far and the bytes in all (0 while unknown)."""

TIMEOUT = 30.0
"""Seconds without a byte before an attempt counts as failed."""

PAUSES = (0.5, 2.0, 5.0)
"""Seconds to wait before the second, third and last attempt."""

_BLOCK = 1 << 18


def download(url: str, path: Path, progress: Progress | None = None) -> Path:
    """Download ``url`` to the file ``path``, resuming an earlier part.

    After a failure the bytes received stay, and the next call resumes from them; the caller checks the content.

    Raises:
        DataError: the server refuses, or every attempt failed.
        StorageError: ``path`` cannot be written.

    Source: range requests, RFC 9110 section 14.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error
    for pause in (*PAUSES, None):
        try:
            _attempt(url, path, progress)
            return path
        except StorageError:  # no fault of the connection: trying again does not help
            raise
        except (OSError, http.client.HTTPException) as error:
            refused = isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500
            if refused or pause is None:
                raise DataError(
                    f"cannot download {url}: {error}. The {_size(path):,} bytes received so far are kept, and the next "
                    "call resumes from them. Check the connection, or put the files into a folder and name it by the "
                    "environment variable PELLUCID_DATA."
                ) from error
            time.sleep(pause)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _append(path: Path, block: bytes) -> None:
    # Opened for each block (0.02 ms for 256 KB), so that a full disk shows here and not on closing.
    try:
        with open(path, "ab") as file:
            file.write(block)
    except OSError as error:
        raise storage_error(path, error) from error


def _attempt(url: str, path: Path, progress: Progress | None) -> None:
    have = _size(path)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416 or not have:
            raise
        # Nothing after these bytes: the file is whole already, or another. From the start, to be sure.
        path.unlink()
        _attempt(url, path, progress)
        return
    with response:
        if have and response.status != 206:  # the server sends the whole file
            path.unlink()
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        while block := response.read(_BLOCK):
            _append(path, block)
            have += len(block)
            if progress is not None:
                progress(have, total)
    if have < total:  # http.client ends a cut body silently when read in blocks
        raise ConnectionError(f"the connection ended after {have:,} of {total:,} bytes")
