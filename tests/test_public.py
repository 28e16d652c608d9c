"""The public names: each listed once, documented, and cheap to begin with."""

import dataclasses
import importlib
import inspect
import subprocess
import sys
from types import ModuleType

import pytest

import pellucid as pel
from pellucid.core.registry import REGISTRIES

NAMESPACES = [name for name in pel.__all__ if isinstance(getattr(pel, name), ModuleType)]


def public(module):
    """The public names of a module: those it lists, or those that it defines or imports under their own name."""
    listed = getattr(module, "__all__", None)
    names = listed or [
        name
        for name, item in vars(module).items()
        if not name.startswith("_") and inspect.getmodule(item) is not None and not isinstance(item, ModuleType)
    ]
    return sorted(names)


def items_of(registry):
    return [item for item in map(registry.find, registry) if item.__module__.startswith("pellucid.")]


ITEMS = [item for registry in REGISTRIES for item in items_of(registry)]
NAMES = [f"pel.{name}" for name in pel.__all__] + [
    f"pel.{space}.{name}" for space in NAMESPACES for name in public(getattr(pel, space))
]


@pytest.mark.parametrize("path", NAMES)
def test_every_public_name_is_there_and_documented(path):
    module, _, name = path.replace("pel", "pellucid", 1).rpartition(".")
    item = getattr(importlib.import_module(module), name)
    assert inspect.getdoc(item)
    assert name in dir(importlib.import_module(module))


def test_the_top_has_what_is_typed_most_and_no_more():
    assert pel.__all__ == sorted(pel.__all__)
    assert len(set(pel.__all__) - set(NAMESPACES)) <= 54
    with pytest.raises(AttributeError, match="Dens"):
        pel.Dens  # noqa: B018


@pytest.mark.parametrize("space", NAMESPACES)
def test_a_namespace_is_a_module_that_can_be_imported(space):
    module = importlib.import_module(f"pellucid.{space}")
    assert getattr(pel, space) is module
    assert public(module)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.__name__)
def test_every_registered_item_is_public(item):
    homes = [pel, *(getattr(pel, space) for space in NAMESPACES)]
    assert any(getattr(home, item.__name__, None) is item for home in homes)


def test_a_function_keeps_its_name_beside_the_packages():
    """Importing every module leaves ``pel.explain``, ``pel.train`` … the functions."""
    code = (
        "import pkgutil, importlib, inspect, pellucid as pel\n"
        "for info in pkgutil.walk_packages(pel.__path__, 'pellucid.'):\n"
        "    if not info.name.endswith('__main__'): importlib.import_module(info.name)\n"
        "print([n for n in pel.__all__ if inspect.ismodule(getattr(pel, n))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == repr(NAMESPACES)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.__name__)
def test_every_item_documents_its_fields_and_runs_an_example(item):
    text = inspect.getdoc(item)
    assert ">>>" in text, "needs an example"
    for field in dataclasses.fields(item):
        declared = next(cls for cls in reversed(item.__mro__) if field.name in vars(cls).get("__annotations__", {}))
        if declared is item:  # else its base documents it
            assert f"{field.name}:" in text or f"``{field.name}``" in text, f"does not say what {field.name} is"


FUNCTIONS = ["train", "load", "resume", "networks.feedforward", "make_dataset", "load_table", "backpropagate"]


@pytest.mark.parametrize("path", FUNCTIONS)
def test_every_function_documents_its_parameters_and_errors(path):
    function = pel
    for name in path.split("."):
        function = getattr(function, name)
    text = inspect.getdoc(function)
    for parameter in inspect.signature(function).parameters:
        assert f"{parameter}:" in text, f"{path} does not say what {parameter} is"


@pytest.mark.parametrize("what", ["import pellucid", "from pellucid.cli.main import main; main(['--help'])"])
def test_import_and_help_are_light(what):
    code = (
        "import sys\n"
        f"try: {what}\n"
        "except SystemExit: pass\n"
        "print([name for name in ('jax', 'numpy', 'sklearn') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.endswith("[]\n")
    assert ("Exit codes" in out) == ("--help" in what)


def test_every_module_says_what_it_is():
    for module in list(sys.modules):
        if module.startswith("pellucid"):
            assert importlib.import_module(module).__doc__, module
