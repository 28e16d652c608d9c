"""Find a page of the catalogue by name."""

import difflib
from collections.abc import Mapping
from typing import Any

from pellucid.core.errors import UnknownName
from pellucid_textbook.catalogue import (
    activations,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
    schedules,
)
from pellucid_textbook.catalogue.comparisons import COMPARISONS
from pellucid_textbook.catalogue.docstrings import summary
from pellucid_textbook.catalogue.kind import Kind
from pellucid_textbook.catalogue.page import Content, Facts, Page

KINDS: tuple[Kind, ...] = (
    activations.KIND,
    losses.KIND,
    optimizers.KIND,
    regularizers.KIND,
    regularizers.SPARSITIES,
    initializers.KIND,
    schedules.KIND,
    metrics.KIND,
    layers.KIND,
)


def show(name: Any = None, *, kind: str | None = None) -> Page:
    """A page of the catalogue: what a thing is, its formula, how it behaves, for and against.

    Numbers on the page are measured from the object itself when it is shown.

    Args:
        name: an activation, loss, optimiser, regulariser, initialiser, schedule, metric or layer: its name, a table of
            name and fields, or the object; the plural of a kind ("activations") for their comparison; the name of
            another comparison; None for the list of all.
        kind: the plural of its kind, where two kinds share a name (a loss and a metric).

    Raises:
        UnknownName: no page of that name, with the nearest names.

    Example:
        >>> page = show("sigmoid")
        >>> page.data["behaviour"]["largest_gradient"]
        '0.25 at z = 0'
    """
    if name is None:
        return _contents()
    kinds = KINDS if kind is None else (_kind(kind),)
    for each in kinds:
        if isinstance(name, each.registry.base):
            return each.entry(name)
    asked = name["name"] if isinstance(name, Mapping) and "name" in name else str(name)
    key = asked.strip().lower().replace("-", "_").replace(" ", "_")
    if kind is None and key.replace("isers", "izers") in {each.name for each in KINDS}:
        return _kind(key).comparison()
    if kind is None and key in COMPARISONS:
        return COMPARISONS[key]()
    for each in kinds:
        try:
            each.registry.find(key)
        except UnknownName:
            continue
        return each.entry(each.item(name))
    known = [entry for each in kinds for entry in each.registry]
    if kind is None:
        known += [*COMPARISONS, *(each.name for each in KINDS)]
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
    advice = f"Did you mean {' or '.join(map(repr, near))}?" if near else "pellucid show lists all pages."
    raise UnknownName(f"the catalogue has no page {asked!r}. {advice}")


def _kind(name: str) -> Kind:
    key = name.strip().lower().replace("-", "_").replace("isers", "izers")
    for kind in KINDS:
        if kind.name == key:
            return kind
    raise UnknownName(f"no kind {name!r}. Known: {', '.join(kind.name for kind in KINDS)}.")


def _contents() -> Page:
    sections: dict[str, Content] = {
        kind.name: Facts({name: summary(kind.registry.find(name)) for name in kind.names()}) for kind in KINDS
    }
    if COMPARISONS:
        sections["comparisons"] = Facts({name: summary(page) for name, page in COMPARISONS.items()})
    return Page("catalogue", "The catalogue: pellucid show NAME", sections)
