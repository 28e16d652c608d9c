"""Find a page of the catalogue by name."""

from collections.abc import Mapping
from typing import Any

import pellucid as pel
from pellucid.core.errors import did_you_mean
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
from pellucid_textbook.catalogue.findings import CAUSES, finding
from pellucid_textbook.catalogue.kind import Kind
from pellucid_textbook.page import Content, Page

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
    """A page of the catalogue: meaning, formula, behaviour, what is for and against.

    Numbers on the page are measured from the object itself when it is shown.

    Args:
        name: an activation, loss, optimiser, regulariser, initialiser, schedule, metric or layer: its name, a table of
            name and fields, or the object; the plural of a kind ("activations") for their comparison; the name of
            another comparison; a finding of the doctor ("dead_relu"); None for the list of all.
        kind: the plural of its kind, where two kinds share a name (a loss and a metric).

    Raises:
        UnknownName: no page of that name, with the nearest names.

    Example:
        >>> page = show("sigmoid")
        >>> page.data["behaviour"]["largest_derivative"]
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
    if kind is None:
        if key.replace("isers", "izers") in {each.name for each in KINDS}:
            return _kind(key).comparison()
        if key in COMPARISONS:
            return COMPARISONS[key]()
        if key in CAUSES:
            return finding(key)
    for each in kinds:
        try:
            each.registry.find(key)
        except pel.UnknownName:
            continue
        return each.entry(each.item(name))
    known = [entry for each in kinds for entry in each.registry]
    if kind is None:
        known += [*COMPARISONS, *CAUSES, *(each.name for each in KINDS)]
    advice = did_you_mean(key, known) or " pellucid show lists all pages."
    raise pel.UnknownName(f"the catalogue has no page {asked!r}.{advice}")


def _kind(name: str) -> Kind:
    key = name.strip().lower().replace("-", "_").replace("isers", "izers")
    for kind in KINDS:
        if kind.name == key:
            return kind
    raise pel.UnknownName(f"no kind {name!r}. Known: {', '.join(kind.name for kind in KINDS)}.")


def _contents() -> Page:
    sections: dict[str, Content] = {
        kind.name: {name: summary(kind.registry.find(name)) for name in kind.names()} for kind in KINDS
    }
    sections["comparisons"] = {name: summary(page) for name, page in COMPARISONS.items()}
    sections["findings of the doctor"] = {name: cause.meaning for name, cause in CAUSES.items()}
    return Page("catalogue", "The catalogue: pellucid show NAME", sections)
