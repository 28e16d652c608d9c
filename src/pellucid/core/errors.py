"""Exceptions and warnings.

The exceptions::

    PellucidError
    ├── InvalidValue      (ValueError)   a hyperparameter outside what is allowed
    ├── UnknownName       (ValueError)   no activation, loss, layer … of that name
    ├── ShapeError        (ValueError)   arrays that do not fit together
    ├── DataError         (ValueError)   a table, label or file that cannot be trained on
    ├── StorageError      (OSError)      a run or checkpoint that cannot be written or read
    ├── MissingExtra      (ImportError)  an optional dependency that is not installed
    └── TrainingDiverged  (ArithmeticError)  a loss or gradient that became NaN or infinite

and three warnings (UserWarning): `DoctorWarning`, of a training that begins although something is certainly wrong,
`ResumeWarning`, of one that is resumed and has nothing left to do, and `DataWarning`, of rows whose prediction rests on
something made up for them, or that leave a metric undefined.
"""

import difflib
from collections.abc import Iterable


class PellucidError(Exception):
    """Base of every error that pellucid raises on purpose."""


class InvalidValue(PellucidError, ValueError):
    """A hyperparameter outside what is allowed."""


class UnknownName(PellucidError, ValueError):
    """A name that no registry entry has."""


class ShapeError(PellucidError, ValueError):
    """Arrays whose shapes or dtypes do not fit together."""


class DataError(PellucidError, ValueError):
    """Data that cannot be trained on as they are."""


class StorageError(PellucidError, OSError):
    """A file that cannot be written, or that is not what was written."""


class MissingExtra(PellucidError, ImportError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'pellucid[{extra}]'"
        )


class TrainingDiverged(PellucidError, ArithmeticError):
    """A loss, gradient or weight that became NaN or infinite."""


class DoctorWarning(UserWarning):
    """A training that begins with a certain fault in its program or rows."""


class ResumeWarning(UserWarning):
    """A training that is resumed although it has nothing left to do."""


class DataWarning(UserWarning):
    """Rows with missing or unknown values, and what was taken instead; or that leave a metric undefined."""


LONGEST_NAME = 100
"""Most characters of a name that near ones are looked for: a text of megabytes would take seconds."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known names, after a space; empty where none is near.

    Example:
        >>> did_you_mean("rellu", ("relu", "tanh"))
        " Did you mean 'relu'?"
    """
    near = difflib.get_close_matches(name[:LONGEST_NAME], list(known), n=2)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
