"""All translations of primitives: each module registers its own."""

from pellucid.exporting import loops, shapes, windows
from pellucid.exporting.translation import translate

__all__ = ["loops", "shapes", "translate", "windows"]
