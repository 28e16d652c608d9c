"""Functions of pellucid quoted in the documentation, so that a page cannot say what the code no longer does."""

import ast
import re
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
QUOTE = re.compile(r"^<!-- quote: ([\w.]+) -->$", re.MULTILINE)
"""The place of a quotation in a page, and the dotted name of the function."""
LONGEST = 40
"""Lines, without the docstring: what is told as a story is read at one glance."""


def quoted(path: str) -> str:
    """The source of a function without its docstring, as a block of Markdown.

    Raises:
        ValueError: there is no such function, or it is longer than a story may be.
    """
    module, _, name = path.rpartition(".")
    file = SOURCE / Path(*module.split(".")).with_suffix(".py")
    if not file.exists():
        raise ValueError(f"{path} is quoted, but there is no {file.relative_to(SOURCE)}")
    text = file.read_text(encoding="utf-8")
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not functions:
        raise ValueError(f"{path} is quoted, but {file.relative_to(SOURCE)} defines no function {name}")
    (function,) = functions
    lines = text.splitlines()[function.lineno - 1 : function.end_lineno]
    if ast.get_docstring(function) is not None:
        documented = function.body[0]
        del lines[documented.lineno - function.lineno : documented.end_lineno - function.lineno + 1]
    if len(lines) > LONGEST:
        raise ValueError(f"{path} is quoted and has {len(lines)} lines; a story has at most {LONGEST}")
    return f'```python title="{file.relative_to(SOURCE)}"\n' + "\n".join(lines) + "\n```"
