"""The base of all kinds: texts, formulas, hyperparameters, the pages of an entry and of the kind."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pellucid as pel
from pellucid.core.formula import Formula
from pellucid.core.registry import Registry, describe
from pellucid.report.document import Table
from pellucid_textbook.catalogue.docstrings import arguments, formula_lines, section, summary
from pellucid_textbook.page import Content, Formulas, Page
from pellucid_textbook.texts import read_texts


@dataclass(frozen=True)
class Kind:
    """A kind of thing with a registry, and how its entries are measured.

    Its title and the labels of its formulas are in ``kinds.toml``, the texts of its entries in ``NAME.toml``: what is
    for and against an entry, where it is used, its source where the docstring names none, and the fields of the example
    that is shown. An entry without texts is shown by what is measured.

    Attributes:
        registry: its entries.
        measured: the sections measured from an item, by heading.
        row: what the comparison says of an item, by heading; the formulas stand before it.
        charts: the charts that compare items; takes them by name.
    """

    registry: Registry[Any]
    measured: Callable[[Any], Mapping[str, Content]]
    row: Callable[[Any], Mapping[str, Any]]
    charts: Callable[[Mapping[str, Any]], Sequence[Any]] = field(default=lambda items: ())

    @property
    def name(self) -> str:
        """Plural, as people ask for it."""
        return self.registry.plural

    @property
    def texts(self) -> Mapping[str, Mapping[str, Any]]:
        """The texts by name, in the order of the comparison."""
        return read_texts(f"catalogue/{self.name}")

    def names(self) -> list[str]:
        """All entries of the registry, those with texts first."""
        registered = set(self.registry)
        return [name for name in self.texts if name in registered] + sorted(registered - set(self.texts))

    def item(self, specification: Any) -> Any:
        """The object of a specification; a bare name takes the fields of its example."""
        if isinstance(specification, str):
            name = self.registry.find(specification).name
            specification = {"name": name, **self.texts.get(name, {}).get("example", {})}
        return self.registry.build(specification)

    def items(self) -> dict[str, Any]:
        """The objects by name, without those that need fields of which no example is known."""
        items = {}
        for name in self.names():
            with suppress(pel.InvalidValue):
                items[name] = self.item(name)
        return items

    def formulas(self, item: Any) -> Formulas:
        """The formulas that the object holds, by label; else the lines of its docstring."""
        names = sorted((n for n in dir(type(item)) if n.endswith("formula")), key=lambda n: (n != "formula", n))
        held = {name: getattr(item, name) for name in names}
        shown = {name: formula for name, formula in held.items() if isinstance(formula, Formula) and formula.text}
        if not shown and (lines := formula_lines(type(item))):
            return Formulas({"": lines})
        labels = read_texts("catalogue/kinds")[self.name]["labels"]
        return Formulas({labels.get(n, n.removesuffix("_formula").replace("_", " ")): f for n, f in shown.items()})

    def entry(self, item: Any) -> Page:
        """The page of one item."""
        cls, text = type(item), self.texts.get(item.name, {})
        classes = {self.registry.find(name).__name__: self.registry.find(name) for name in self.registry}
        sections: dict[str, Content] = {"what": summary(cls)}
        if formulas := self.formulas(item):
            sections["formula"] = formulas
        sections |= self.measured(item)
        parameters = hyperparameters(item)
        if parameters.rows:
            sections["hyperparameters"] = parameters
        judged = {key: text[key] for key in ("for", "against", "used") if key in text}
        judged |= {"other libraries": section(cls, "Others", classes)}
        judged |= {"source": section(cls, "Source", classes) or text.get("source", "")}
        sections["judgement"] = {key: value for key, value in judged.items() if value}
        return Page(item.name, f"{item.name} · {self.registry.kind}", sections)

    def comparison(self) -> Page:
        """Write the page that compares all items."""
        items, rows = {}, []
        for name, item in self.items().items():
            with suppress(pel.ShapeError):  # a layer that takes no digit
                formulas = {label: formula for label, formula in self.formulas(item).items() if label}
                rows.append({"name": name, **formulas, **self.row(item)})
                items[name] = item
        head = list(dict.fromkeys(key for row in rows for key in row))
        texts, columns = self.texts, ("for", "against", "used")
        judged = [(name, *(texts.get(name, {}).get(column, "") for column in columns)) for name in items]
        sections: dict[str, Content] = {
            "graph": list(self.charts(items)),
            "measured": Table(head, [[row.get(key, "") for key in head] for row in rows]),
            "judgement": Table(("name", *columns), judged),
        }
        title = read_texts("catalogue/kinds")[self.name]["title"]
        return Page(self.name, title, {heading: part for heading, part in sections.items() if part})


def hyperparameters(item: Any) -> Table:
    """The fields of an item: default, what is allowed, what it means; its own values where one is no default."""
    meanings: dict[str, str] = {}
    for cls in reversed(type(item).__mro__):
        meanings |= arguments(cls)
    rows = []
    for each in dataclasses.fields(item):
        required = each.default is dataclasses.MISSING
        allowed = str(each.metadata.get("constraint", "")).removeprefix("a ").replace("number in ", "")
        row = {
            "name": each.name,
            "default": "required" if required else _short(describe(each.default)),
            "here": _short(describe(getattr(item, each.name))),
            "allowed": allowed.replace("-inf", "−∞").replace("inf", "∞"),
            "meaning": meanings.get(each.name) or each.metadata.get("help", ""),
        }
        rows.append(row)
    if all(row["here"] == row["default"] for row in rows):
        for row in rows:
            del row["here"]
    return Table(tuple(rows[0]) if rows else (), [list(row.values()) for row in rows])


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        fields = ",".join(f"{key}={_short(part)}" for key, part in value.items() if key != "name")
        return f"{value['name']}:{fields}"
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
