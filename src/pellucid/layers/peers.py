"""The same layer in another library: its arrays there, and what else must agree."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Several: TypeAlias = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Carried:
    """Arrays of a layer, and those of its peer that hold the same numbers.

    Args:
        own: their paths in the layer.
        peer: their names in the other library.
        there: from the layer's arrays to the peer's.
        back: from the peer's arrays to the layer's.
        or_zeros: whether the peer may lack them, which then stand for zeros.
    """

    own: tuple[str, ...]
    peer: tuple[str, ...]
    there: Callable[..., Several] = lambda *arrays: arrays
    back: Callable[..., Several] = lambda *arrays: arrays
    or_zeros: bool = False

    def under(self, own: str, peer: Callable[[str], str]) -> "Carried":
        """The same arrays of a layer within another: under a path, by other names of the peer's."""
        paths = tuple(f"{own}/{path}" for path in self.own)
        return replace(self, own=paths, peer=tuple(map(peer, self.peer)))


class Setting(NamedTuple):
    """Something of a peer that must agree for the outputs to be equal."""

    peer: str
    """Its attribute."""
    value: Any
    """What it must be: a value, or a function of the attribute that says whether it is so."""
    own: str
    """What to set here otherwise; empty where nothing can be set."""


@dataclass(frozen=True)
class Peer:
    """The layer of another library that computes the same.

    Args:
        kinds: names of its classes.
        arrays: what is carried over.
        settings: what must agree.
        channels_first: whether it has channels before the other axes; None where it leaves them as they come.
        at: what must agree and depends on the shape of an example, as a function of that shape.
    """

    kinds: tuple[str, ...]
    arrays: tuple[Carried, ...] = ()
    settings: tuple[Setting, ...] = ()
    channels_first: bool | None = None
    at: Callable[[tuple[int, ...]], Sequence[Setting]] = field(default=lambda shape: ())


Peers: TypeAlias = Mapping[str, Peer]
"""The peer of a layer by library, ``"torch"`` and ``"keras"``."""


def same(own: str, peer: str) -> Carried:
    """An array that both have alike."""
    return Carried((own,), (peer,))


def turned(own: str, peer: str) -> Carried:
    """A matrix that the peer has as its transpose."""
    return Carried((own,), (peer,), lambda w: (w.T,), lambda w: (w.T,))


def moved(own: str, peer: str, order: Sequence[int]) -> Carried:
    """An array whose axes the peer has in another order: its axis i is the layer's axis ``order[i]``."""
    inverse = np.argsort(order)
    return Carried((own,), (peer,), lambda w: (w.transpose(order),), lambda w: (w.transpose(inverse),))
