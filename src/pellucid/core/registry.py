"""Registries: ``"relu"`` finds `ReLU`, with suggestions for typos; an object finds its description.

Every activation, loss, layer … is a frozen dataclass entered in one `Registry`. A *specification*
is what the user writes for it: the object itself, its name, or a table of its name and fields.
``build`` turns a specification into the object, ``describe`` the object into the shortest
specification, so that experiments can be written down as TOML and read again.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar, dataclass_transform

from pellucid.core.errors import InvalidValue, UnknownName, did_you_mean

Item = TypeVar("Item")
Class = TypeVar("Class", bound=type)


REGISTRIES: list["Registry[Any]"] = []
"""Every registry that there is."""


class Registry(Generic[Item]):
    """The named classes of one kind.

    Args:
        kind: the singular noun of error messages, for example ``"activation"``.
        base: the class that every entry inherits from.
        finish: class decorator of every entry, such as `pellucid.core.tunable.tunable`.
    """

    def __init__(self, kind: str, base: type[Item], finish: Callable[[Any], Any] | None = None) -> None:
        self.kind = kind
        self.base = base
        self._finish = finish
        self._classes: dict[str, type[Item]] = {}
        REGISTRIES.append(self)

    @dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
    def register(self, name: str) -> Callable[[Class], Class]:
        """Enter a class under ``name``; without an ``__init__`` of its own it becomes a frozen dataclass."""

        def enter(cls: Class) -> Class:
            if name in self._classes:
                raise ValueError(f"two classes are named {name!r} among the {self.kind}s")
            if not {"__dataclass_fields__", "__init__"} & vars(cls).keys():
                cls = dataclasses.dataclass(frozen=True)(cls)
            cls = self._finish(cls) if self._finish else cls
            self._classes[name] = cls  # pyright: ignore[reportArgumentType]
            cls.name = name
            return cls

        return enter

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._classes))

    def find(self, name: str) -> type[Item]:
        """Find the class entered under ``name``."""
        key = name.strip().lower().replace("-", "_").replace(" ", "_")
        key = key.replace("crossentropy", "cross_entropy")  # as Keras spells it
        if key in self._classes:
            return self._classes[key]
        advice = did_you_mean(key, self._classes)
        own = "" if advice else f" A custom one must be registered first: @{self.plural}.register({name!r})."
        raise UnknownName(f"unknown {self.kind} {name!r}.{advice} Known: {', '.join(self)}.{own}")

    def build(self, specification: Any) -> Item:
        """Build a name or a table ``{"name": …, field: value}``; return an object as it is."""
        if isinstance(specification, self.base):
            return specification
        if isinstance(specification, str):
            return self._construct(specification, {})
        if isinstance(specification, Mapping) and "name" in specification:
            fields = {key: value for key, value in specification.items() if key != "name"}
            return self._construct(str(specification["name"]), fields)
        if isinstance(specification, type) and issubclass(specification, self.base):
            name = specification.__name__
            raise InvalidValue(f"{self.kind}: {name} is a class. Write {name}(…), an object of it.")
        raise InvalidValue(
            f"{self.kind} must be a name, a table with a name, or a {self.base.__name__}. "
            f"Received: {specification!r}. Known names: {', '.join(self)}. A custom one is a class that inherits "
            f"from {self.base.__name__}, see {self.base.__module__}."
        )

    def describe(self, specification: Any) -> Any:
        """Describe what ``build`` makes, so that it can be built again."""
        item = self.build(specification)
        cls = type(item)
        if self._classes.get(getattr(cls, "name", "")) is not cls:
            raise InvalidValue(
                f"the {self.kind} {cls.__name__} is not registered, so a run with it could not be saved and read "
                f"again. {self.how_to_register(cls.__name__)}"
            )
        return describe(item)

    def how_to_register(self, name: str) -> str:
        """Tell the user how to register a custom class of this name."""
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        return (
            f'Write @{self.plural}.register("{snake}") above the class, with {self.plural} from {self.base.__module__}.'
        )

    @property
    def plural(self) -> str:
        """The name of the registry itself, as modules spell it."""
        *_, last = self.kind.split()
        return {"loss": "losses", "penalty": "sparsities"}.get(last, f"{last}s")

    def _construct(self, name: str, fields: Mapping[str, Any]) -> Item:
        cls = self.find(name)
        parameters = inspect.signature(cls).parameters
        for field in fields:
            if field not in parameters:
                raise InvalidValue(
                    f"{self.kind} {name!r} has no field {field!r}.{did_you_mean(field, parameters)} "
                    f"Fields: {', '.join(parameters) or 'none'}."
                )
        missing = [
            key for key, parameter in parameters.items() if parameter.default is parameter.empty and key not in fields
        ]
        if missing:
            raise InvalidValue(f"{self.kind} {name!r} needs a value for {', '.join(missing)}.")
        return cls(**fields)


def describe(item: Any) -> Any:
    """Describe a registered object: its name, or name and changed fields.

    A field with the metadata ``described=False`` is left out.
    """
    if not dataclasses.is_dataclass(item) or isinstance(item, type):
        return list(item) if isinstance(item, tuple) else item
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(item):
        if not field.metadata.get("described", True):
            continue
        value = describe(getattr(item, field.name))
        if value is not None and value != describe(field.default):
            fields[field.name] = value
    name = name_of(item)
    return {"name": name, **fields} if fields else name


def name_of(item: Any) -> str:
    """Look up the name that an object's class was registered by."""
    name = getattr(item, "name", None)
    if name is None:
        own = type(item).__name__
        of = next((registry for registry in REGISTRIES if isinstance(item, registry.base)), None)
        advice = "" if of is None else f" {of.how_to_register(own)}"
        raise InvalidValue(f"{own} has no name, by which a run could be saved and read again.{advice}")
    return name
