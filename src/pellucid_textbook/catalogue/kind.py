"""What all kinds share: the table of texts, the hyperparameters read from the fields, the sections of an entry."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pellucid.core.registry import Registry, describe
from pellucid_textbook.catalogue.docstrings import arguments, section, summary
from pellucid_textbook.catalogue.page import Content, Facts, Formulas, Page, Table


@dataclass(frozen=True)
class Text:
    """What no object can say of itself; everything else is read or measured.

    Attributes:
        pro: for it.
        con: against it.
        used: where it is used.
        subject: its number in the subject.
        source: where it comes from, if its docstring names no source.
    """

    pro: str
    con: str
    used: str
    subject: str
    source: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind of thing with a registry, and how its entries are measured.

    Attributes:
        name: plural, as people ask for it.
        title: heading of its comparison.
        registry: its items.
        texts: by name, one for each item.
        formulas: of an item, by label.
        measured: the sections measured from an item, by heading.
        row: what the comparison says of an item, by heading.
        draw: the figure that compares all items; takes them by name.
        draw_item: the figure of one item, where it is not its curves.
        examples: fields of the item that is shown, where it cannot be made without them or its defaults show nothing.
    """

    name: str
    title: str
    registry: Registry[Any]
    texts: Mapping[str, Text]
    formulas: Callable[[Any], Formulas]
    measured: Callable[[Any], Mapping[str, Content]]
    row: Callable[[Any], Mapping[str, Any]]
    draw: Callable[[Mapping[str, Any]], Any] | None = None
    draw_item: Callable[[Any], Any] | None = None
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def singular(self) -> str:
        """The noun of one."""
        return self.registry.kind

    def names(self) -> list[str]:
        """The items that have a text, in its order; an item of one's own is shown by giving the object."""
        registered = set(self.registry)
        return [name for name in self.texts if name in registered]

    def item(self, specification: Any) -> Any:
        """The object of a specification; a bare name takes the fields of its example."""
        if isinstance(specification, str):
            name = self.registry.find(specification).name
            specification = {"name": name, **self.examples.get(name, {})}
        return self.registry.build(specification)

    def entry(self, item: Any) -> Page:
        """The page of one item."""
        cls, text = type(item), self.texts.get(item.name)
        classes = {self.registry.find(name).__name__: self.registry.find(name) for name in self.registry}
        sections: dict[str, Content] = {"what": summary(cls), "formula": self.formulas(item)}
        sections |= self.measured(item)
        parameters = hyperparameters(item)
        if parameters.rows:
            sections["hyperparameters"] = parameters
        notes = Facts()
        if text is not None:
            notes |= {"for": text.pro, "against": text.con, "used": text.used}
        others = section(cls, "Others", classes)
        source = section(cls, "Source", classes) or (text.source if text else "")
        notes |= {"other libraries": others} if others else {}
        notes |= {"source": source} if source else {}
        notes |= {"subject": text.subject} if text else {}
        sections["judgement"] = notes
        draw = None if self.draw_item is None else lambda: self.draw_item(item)  # pyright: ignore[reportOptionalCall]
        return Page(item.name, f"{item.name} · {self.singular}", sections, draw)

    def comparison(self) -> Page:
        """The page that compares all items."""
        items = {name: self.item(name) for name in self.names()}
        rows = [{"name": name, **self.row(item)} for name, item in items.items()]
        judged = tuple(
            (name, *((text.pro, text.con, text.used, text.subject) if text else ("", "", "", "")))
            for name, text in ((name, self.texts.get(name)) for name in items)
        )
        sections: dict[str, Content] = {
            "measured": Table(tuple(rows[0]), tuple(tuple(row.values()) for row in rows)),
            "judgement": Table(("name", "for", "against", "used", "subject"), judged),
        }
        draw = None if self.draw is None else lambda: self.draw(items)  # pyright: ignore[reportOptionalCall]
        return Page(self.name, self.title, sections, draw)


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
    return Table(tuple(rows[0]) if rows else (), tuple(tuple(row.values()) for row in rows))


def _short(value: Any) -> Any:
    """A value as the hyperparameters' table shows it."""
    if isinstance(value, dict):
        fields = ",".join(f"{key}={_short(part)}" for key, part in value.items() if key != "name")
        return f"{value['name']}:{fields}"
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
