"""Compiled programs that are done with are let go before a process has too many.

A compiled training takes some 450 of the 65,530 memory maps that Linux gives a process, and jax keeps every program;
after some 140 trainings of different structure XLA would abort the process. Programs are kept, for the same structure
may come again, until a third of the maps is taken. Then all are let go: what comes again is compiled again, or read
from the cache on disk.
"""

from pathlib import Path

import jax

MAPS = 20_000
"""Most memory maps of a process before a new training lets all compiled programs go."""


def maps_in_use() -> int:
    """Memory maps of this process; 0 where the system does not tell."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return 0


def make_room() -> None:
    """Let all compiled programs go where more than `MAPS` memory maps are in use; those that run, run on."""
    if maps_in_use() > MAPS:
        jax.clear_caches()
