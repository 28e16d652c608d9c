"""The public face: every name exported, documented in the house's order, and cheap to begin with."""

import dataclasses
import importlib
import inspect
import subprocess
import sys

import pytest

import pellucid as pel
from pellucid.functions.activations import activations
from pellucid.functions.initializers import initializers
from pellucid.functions.losses import losses
from pellucid.functions.metrics import metrics
from pellucid.functions.regularizers import regularizers
from pellucid.functions.schedules import schedules
from pellucid.layers import layers
from pellucid.optimizers import optimizers

REGISTRIES = [activations, initializers, layers, losses, metrics, optimizers, regularizers, schedules]
ITEMS = [
    registry.find(name)
    for registry in REGISTRIES
    for name in registry
    if registry.find(name).__module__.startswith("pellucid")
]


@pytest.mark.parametrize("name", pel.__all__)
def test_every_public_name_is_there_and_documented(name):
    item = getattr(pel, name)
    assert inspect.getdoc(item)
    assert name in dir(pel)


def test_the_lists_of_names_agree():
    homes = {name for names in pel._HOMES.values() for name in names}
    assert homes == set(pel.__all__)
    assert pel.__all__ == sorted(pel.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Dens'"):
        pel.Dens  # noqa: B018


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.__name__)
def test_every_item_documents_its_fields_and_runs_an_example(item):
    text = inspect.getdoc(item)
    assert ">>>" in text, "needs an example"
    for field in dataclasses.fields(item):
        if field.name != "reduction":  # documented by the base of all losses
            assert f"{field.name}:" in text or f"``{field.name}``" in text, f"does not say what {field.name} is"


@pytest.mark.parametrize(
    "name", ["train", "load_run", "resume_run", "feedforward", "make_dataset", "load_table", "backpropagate"]
)
def test_every_function_documents_its_parameters_and_errors(name):
    function = getattr(pel, name)
    text = inspect.getdoc(function)
    for parameter in inspect.signature(function).parameters:
        assert f"{parameter}:" in text, f"{name} does not say what {parameter} is"


def test_help_imports_neither_jax_nor_numpy_nor_sklearn():
    code = (
        "import sys\n"
        "from pellucid.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('jax', 'numpy', 'sklearn') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.endswith("[]\n")
    assert "Exit codes" in out


def test_every_module_says_what_it_is():
    for module in list(sys.modules):
        if module.startswith("pellucid"):
            assert importlib.import_module(module).__doc__, module
