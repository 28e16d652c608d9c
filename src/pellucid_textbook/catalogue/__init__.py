"""The catalogue: every activation, loss, optimiser, … on one page, read from the objects and measured from them."""

from pellucid_textbook.catalogue.show import show

__all__ = ["show"]
