"""An extension of griffe: docstrings of the house, as mkdocstrings reads them."""

import importlib
import re
from typing import Any

import griffe

from pellucid.core.formula import Formula

SECTION = re.compile(r"^Formula:\n((?:[ ]{4}.*\n|\s*\n)*[ ]{4}.*)", re.MULTILINE)
DECLARED = ("constrained", "nested")
LABEL = re.compile(r"^(Source|Sources|Others|Elsewhere): ", re.MULTILINE)


class Docstrings(griffe.Extension):
    """A formula keeps its lines, an example is a section, sources begin in bold."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object before it is read."""
        if obj.docstring is not None:
            head, _, rest = _readable(obj.docstring.value).partition("\n\n")
            obj.docstring.value = "\n\n".join(filter(None, [head, *_formulas(obj), rest]))

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Of a field with constraints, show the default alone."""
        for parameter in cls.parameters:
            default = parameter.default
            if isinstance(default, griffe.ExprCall) and str(default.function) in DECLARED and default.arguments:
                parameter.default = default.arguments[0]


def _formulas(obj: griffe.Object) -> list[str]:
    """The formulas that a class holds as data, as MathML."""
    if not obj.is_class or not obj.path.startswith("pellucid"):
        return []
    item = getattr(importlib.import_module(obj.parent.path), obj.name, None) if obj.parent.is_module else None
    held = {name: value for name, value in vars(item or object).items() if isinstance(value, Formula) and value.text}
    label = "<span>{}</span>".format
    return [
        f'<div class="formula">{label(name.removesuffix("formula").replace("_", " "))}{value.mathml}</div>'
        for name, value in held.items()
    ]


def _readable(text: str) -> str:
    text = SECTION.sub(lambda found: _fenced(found[1]), text)
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    return LABEL.sub(lambda found: f"**{found[1]}.** ", text)


def _fenced(block: str) -> str:
    lines = [line[4:] for line in block.split("\n")]
    return "```{ .text .formula }\n" + "\n".join(lines) + "\n```"
