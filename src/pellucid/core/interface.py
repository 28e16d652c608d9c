"""The words of the interface in use: a message names an option as the user would type it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

_IN_USE: ContextVar[Literal["Python", "command line", "requests"]] = ContextVar("interface in use", default="Python")


@contextmanager
def command_line() -> Iterator[None]:
    """Name options as on the command line, within this block."""
    token = _IN_USE.set("command line")
    try:
        yield
    finally:
        _IN_USE.reset(token)


@contextmanager
def requests() -> Iterator[None]:
    """Name options as in the address of a request, within this block."""
    token = _IN_USE.set("requests")
    try:
        yield
    finally:
        _IN_USE.reset(token)


def on_command_line() -> bool:
    """True within `command_line`."""
    return _IN_USE.get() == "command line"


def switch(name: str) -> str:
    """An option that is on or off, switched on.

    Example:
        >>> switch("unknown")
        'unknown=True'
        >>> with command_line():
        ...     switch("unknown")
        '--unknown'
        >>> with requests():
        ...     switch("unknown")
        '?unknown=true'
    """
    return {"Python": f"{name}=True", "command line": f"--{name}", "requests": f"?{name}=true"}[_IN_USE.get()]


def option(name: str, *values: object) -> str:
    """An option with a value, as it is typed in Python or on the command line.

    Args:
        name: the keyword of Python.
        values: the value, or alternatives.

    Example:
        >>> option("held_out", 0.2), option("missing", "drop", "mean", "median")
        ('held_out=0.2', "missing='drop', 'mean' or 'median'")
        >>> with command_line():
        ...     option("held_out", 0.2), option("missing", "drop", "mean", "median")
        ('--held-out 0.2', '--missing drop, mean or median')
    """
    if on_command_line():
        return f"--{name.replace('_', '-')} {_either([_quoted(str(value)) for value in values])}"
    return f"{name}={_either([repr(value) for value in values])}"


def kind_option(column: str, kind: str) -> str:
    """The option that declares the kind of a column.

    Example:
        >>> kind_option("post code", "category")
        "columns={'post code': 'category'}"
        >>> with command_line():
        ...     kind_option("post code", "category")
        "--as 'post code=category'"
    """
    if on_command_line():
        return f"--as {_quoted(f'{column}={kind}')}"
    return f"columns={{{column!r}: {kind!r}}}"


def _either(values: list[str]) -> str:
    *others, last = values
    return f"{', '.join(others)} or {last}" if others else last


def _quoted(text: str) -> str:
    return text if text and not set(text) & set(" '\"$?*;|&<>()") else f"'{text}'"
