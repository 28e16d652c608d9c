"""Pages of the catalogue, kept in the user's cache: measuring one takes seconds, reading it none.

A page is kept beside the state of the library that measured it (its files, and the versions of jax and NumPy), and
measured again where that is another. Objects of the user's own are not kept: `pellucid_textbook.catalogue.show`.
"""

import hashlib
import pickle
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pellucid
from pellucid.core.errors import StorageError
from pellucid.core.files import cache_folder, sha256, write_bytes
from pellucid_textbook.page import Page

UNREADABLE = (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError)
"""What reading a pickle may raise, by its documentation."""


def kept_page(name: Any = None, *, kind: str | None = None) -> Page:
    """The page that `pellucid_textbook.catalogue.show` makes of a name, or of a table of name and fields.

    Args:
        name: the name, the table, or None for the list of all.
        kind: the plural of its kind.

    Raises:
        UnknownName: no page of that name, with the nearest names.
    """
    asked = sha256(repr((name, kind)).encode())
    path, state = cache_folder() / "pages" / f"{asked[:16]}.pickle", _state().encode()
    try:
        content = path.read_bytes()
        if content.startswith(state):
            return pickle.loads(content[len(state) :])
    except UNREADABLE:
        pass
    from pellucid.core.xla import keep_compiled_programs
    from pellucid_textbook.catalogue import show  # imports jax, and all that has a page

    keep_compiled_programs()
    page = show(name, kind=kind)
    with suppress(StorageError):  # a cache that cannot be written only costs time
        write_bytes(path, state + pickle.dumps(page))
    return page


def _state() -> str:
    """The hash of the library's files, by name, size and time of their last change, and of the versions beneath."""
    hashed = hashlib.sha256(f"{version('jax')} {version('numpy')}".encode())
    for package in (Path(pellucid.__file__).parent, Path(__file__).parent):
        for file in sorted(package.rglob("*.*")):
            if file.suffix in (".py", ".toml"):
                status = file.stat()
                hashed.update(f"{file} {status.st_size} {status.st_mtime_ns}".encode())
    return hashed.hexdigest()
