"""An extension of griffe: docstrings of the house, as mkdocstrings reads them."""

import re
from typing import Any

import griffe

SECTION = re.compile(r"^Formula:\n((?:[ ]{4}.*\n|\s*\n)*[ ]{4}.*)", re.MULTILINE)
LABEL = re.compile(r"^(Source|Sources|Others|Elsewhere): ", re.MULTILINE)


class Docstrings(griffe.Extension):
    """A formula keeps its lines, an example is a section, sources begin in bold."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object before it is read."""
        if obj.docstring is not None:
            obj.docstring.value = _readable(obj.docstring.value)


def _readable(text: str) -> str:
    text = SECTION.sub(lambda found: _fenced(found[1]), text)
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    return LABEL.sub(lambda found: f"**{found[1]}.** ", text)


def _fenced(block: str) -> str:
    lines = [line[4:] for line in block.split("\n")]
    return "```{ .text .formula }\n" + "\n".join(lines) + "\n```"
