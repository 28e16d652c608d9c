"""The floors of the architecture: every import counted, wherever it is written."""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "pellucid"
FLOORS = [
    {"cli"},
    {"sklearn", "sweeps", "exporting", "serving", "tracking"},
    {"api"},
    {"explanations", "doctor"},
    {"report"},
    {"runs"},
    {"architectures", "training"},
    {"network"},
    {"layers", "optimizers"},
    {"kernels"},
    {"functions", "data"},
    {"kernels"},
    {"core"},
]
"""From the top down; an import leads to a lower floor, or stays in its own package."""


def modules():
    return {
        ".".join(("pellucid", *path.relative_to(SOURCE).with_suffix("").parts)): path for path in SOURCE.rglob("*.py")
    }


def package_of(module):
    """The part of pellucid that a module belongs to; None for `pellucid` itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] != "__init__" else None


def runs_only_for_types(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(path):
    """The modules that a file imports, in functions too, but for annotations alone: (line, module, names)."""
    waiting = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or "", tuple(alias.name for alias in node.names)
        children = node.orelse if runs_only_for_types(node) else ast.iter_child_nodes(node)
        waiting.extend(children)


def edges():
    """Every import between two parts of pellucid: (where, from, to)."""
    for module, path in modules().items():
        origin = package_of(module)
        for line, target, names in imports(path):
            if target == "pellucid":
                reached = set(names)
            elif target.startswith("pellucid."):
                reached = {package_of(target)}
            else:
                continue
            yield from ((f"{path.relative_to(SOURCE)}:{line}", origin, to) for to in reached if to != origin)


FACE = {path.stem for path in SOURCE.glob("*.py")} - {"__init__", "optimizers", "api"}
"""Namespaces: they import from every floor and nothing imports them."""


def test_imports_run_downwards_wherever_they_are_written():
    level = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    wrong = [
        f"{where}: {origin} imports {to}"
        for where, origin, to in edges()
        if origin not in FACE and (to not in level or level[to] <= level[origin])
    ]
    assert not wrong, "\n".join(sorted(wrong))


def test_every_part_has_a_floor():
    parts = {package_of(module) for module in modules()} - {None} - FACE
    assert parts == set().union(*FLOORS)


def test_nothing_is_imported_by_its_name_as_a_text():
    wrong = [
        f"{path.relative_to(SOURCE)}: {node.lineno}"
        for path in modules().values()
        if path.name != "__init__.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Name, ast.Attribute))
        and (getattr(node, "id", None) or getattr(node, "attr", None)) in ("import_module", "__import__")
    ]
    assert not wrong, "\n".join(wrong)


def test_the_textbook_stands_above():
    users = {
        package_of(module)
        for module, path in modules().items()
        for _, target, _ in imports(path)
        if target.split(".")[0] == "pellucid_textbook"
    }
    assert users <= {"cli", "textbook"}
