"""Adding an item is one class in one file: laws, command line, catalogue, explanation and doctor then know it."""

import importlib
import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.registry import REGISTRIES
from pellucid_textbook.catalogue.show import KINDS

HEAD = """
from dataclasses import dataclass
import jax.numpy as jnp
from pellucid.core.formula import Formula
"""

SOURCES = {
    "activation": '''
from pellucid.functions.activations import Elementwise, activations

@activations.register("soft_cube")
@dataclass(frozen=True)
class SoftCube(Elementwise):
    """A cube root near a line: ``a = z / (1 + z**2)``."""

    formula = Formula("z / (1 + z**2)")
    derivative_formula = Formula("(1 - z**2) / (1 + z**2)**2")
    range = (-0.5, 0.5)

    def value(self, z):
        return z / (1 + z**2)

    def derivative(self, z, a):
        return (1 - z**2) / (1 + z**2) ** 2
''',
    "loss": '''
from pellucid.functions.losses import PerOutput, losses

@losses.register("quartic_error")
@dataclass(frozen=True)
class QuarticError(PerOutput):
    """The fourth power of the difference."""

    formula = Formula("(yhat - y)**4")
    gradient_formula = Formula("4 * (yhat - y)**3")
    of_difference = True

    def term(self, prediction, target):
        return (prediction - target) ** 4

    def term_gradient(self, prediction, target):
        return 4 * (prediction - target) ** 3
''',
    "optimizer": '''
from pellucid.optimizers import Optimizer, optimizers

@optimizers.register("half_descent")
@dataclass(frozen=True)
class HalfDescent(Optimizer):
    """Half a step of gradient descent."""

    formula = Formula("w = w - learning_rate / 2 * g")

    def direction(self, g, w, slots, t):
        return g / 2, slots
''',
    "layer": '''
from pellucid.layers import Layer, layers

@layers.register("halve")
@dataclass(frozen=True)
class Halve(Layer):
    """Halves its inputs."""

    masks, linear, formula = "passes", True, "x / 2"

    def forward(self, params, state, x, *, key, training):
        return x / 2, state, None
''',
}
"""By the kind of its registry."""


@pytest.fixture(params=SOURCES)
def added(request, tmp_path, monkeypatch):
    """The kind and the name of an item that a module of its own has just registered."""
    kept = [(registry._classes, dict(registry._classes)) for registry in REGISTRIES]
    module = f"added_{request.param}"
    (tmp_path / f"{module}.py").write_text(HEAD + SOURCES[request.param])
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module(module)
    registry = next(registry for registry in REGISTRIES if registry.kind == request.param)
    (name,) = set(registry) - set(next(before for table, before in kept if table is registry._classes))
    yield registry, name
    sys.modules.pop(module)
    for table, before in kept:
        table.clear()
        table.update(before)


def test_everything_knows_an_item_that_was_added(added, tmp_path):
    registry, name = added
    item = registry.build(name)
    assert registry.describe(item) == name
    with pytest.raises(pel.UnknownName, match=f"Did you mean '{name}'"):
        registry.build(name[:-1])

    kind = next(kind for kind in KINDS if kind.registry is registry)
    assert name in kind.names()  # the table and the pages of the documentation are made from these
    page = CliRunner().invoke(main, ["show", name])
    assert page.exit_code == 0, page.output
    assert name in page.stdout
    assert name in CliRunner().invoke(main, ["show", kind.name]).stdout

    settings = {registry.kind: name} if registry.kind != "layer" else {}
    words = [f"--{registry.kind}", name] if settings else []
    data = pel.load_dataset("diabetes" if registry.kind == "loss" else "iris")
    network = (6,)
    if registry.kind == "layer":
        network = pel.Network(pel.Dense(6, "tanh"), item, pel.Dense(3, "softmax"))
        (tmp_path / "network.toml").write_text(
            '[[layers]]\nname = "dense"\nunits = 6\n[[layers]]\nname = "halve"\n'
            '[[layers]]\nname = "dense"\nunits = 3\nactivation = "softmax"\n'
        )
        words = ["--network", str(tmp_path / "network.toml")]
    folder = tmp_path / "run"
    command = ["train", data.name, *words, "--epochs", "2", "--folder", str(folder), "--no-progress"]
    trained = CliRunner().invoke(main, command)
    assert trained.exit_code == 0, trained.output
    assert name in json.dumps(pel.load(folder).experiment.to_dict())

    run = pel.train(network, data, epochs=3, record_every=1, progress=False, **settings)
    assert np.isfinite(run.history.step_rows).all()
    row = data.held_out.take(slice(0, 1))
    target = row.y[0] if data.task == "regression" else data.classes[int(row.y[0])]
    explanation = run.explain(row.x[0], target)
    assert explanation.worst_error < 1e-4
    assert name in json.dumps(explanation.to_dict())
    assert run.diagnose() is not None
    assert not pel.check(network, data, **settings).problems
