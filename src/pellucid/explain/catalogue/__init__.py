"""The catalogue: every activation, loss, optimiser, … on one page, read from the objects and measured from them."""

from pellucid.explain.catalogue.page import Page
from pellucid.explain.catalogue.show import show

__all__ = ["Page", "show"]
