"""The catalogue is true of every item: formulas, gradients, ranges and counts are compared with the functions."""

import inspect
import json
import re
import sys
import types
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.mathtext import MathTextParser
from rich.cells import cell_len

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import UnknownName
from pellucid.functions.activations import Elementwise
from pellucid.report.document import Table
from pellucid_textbook.catalogue import activations, layers, losses, optimizers, regularizers
from pellucid_textbook.catalogue.comparisons import COMPARISONS, count_passes, reference_network
from pellucid_textbook.catalogue.docstrings import section
from pellucid_textbook.catalogue.kind import hyperparameters
from pellucid_textbook.catalogue.show import KINDS
from pellucid_textbook.page import Page, Range

EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
ELEMENTWISE = [
    item for name in activations.KIND.names() if isinstance(item := activations.KIND.item(name), Elementwise)
]
LOSSES = [losses.KIND.item(name) for name in losses.KIND.names()]

# As the subject states them.
RANGES = {
    "linear": "(−∞, ∞)",
    "sigmoid": "(0, 1)",
    "tanh": "(−1, 1)",
    "hard_tanh": "[−1, 1]",
    "softmax": "(0, 1)",
    "relu": "[0, ∞)",
    "step": "[0, 1]",
    "leaky_relu": "(−∞, ∞)",
    "elu": "(−1, ∞)",
    "selu": "(−1.758, ∞)",
    "gelu": "[−0.17, ∞)",
    "silu": "[−0.2785, ∞)",
    "softplus": "(0, ∞)",
    "exponential": "(0, ∞)",
    "softsign": "(−1, 1)",
    "hard_sigmoid": "[0, 1]",
}


# ------------------------------------------------------------------------------- nothing is missing


@EVERY_KIND
def test_every_item_has_a_text_and_a_source(kind):
    own = {name for name in kind.registry if kind.registry.find(name).__module__.startswith("pellucid")}
    assert own == set(kind.texts), "one text for each item"
    for name, text in kind.texts.items():
        cls = kind.registry.find(name)
        assert all(text[key] for key in ("for", "against", "used")), name
        assert bool(text.get("source")) != bool(section(cls, "Source")), f"{name}: a source, once"


@EVERY_KIND
def test_formulas_come_from_the_objects(kind):
    parser = MathTextParser("path")
    for name in kind.names():
        item = kind.item(name)
        for formula in kind.formulas(item).values():
            if isinstance(formula, str):
                assert kind.name == "layers"
                assert all(line.strip() in inspect.getdoc(type(item)) for line in formula.splitlines())
                continue
            held = [getattr(item, attribute) for attribute in dir(item) if attribute.endswith("formula")]
            assert formula.source in [each.source for each in held]
            latex = formula.latex
            assert latex.count("{") == latex.count("}"), (name, latex)
            known = re.sub(r"\\(begin|end)\{gathered\}", "", latex)
            for line in known.split(r"\\"):
                parser.parse(f"${line}$")


def test_whatever_is_registered_has_a_page(monkeypatch):
    """A new activation, loss, optimiser and layer in a module of its own, without a text in the catalogue."""
    for kind in KINDS:
        monkeypatch.setattr(kind.registry, "_classes", dict(kind.registry._classes))
    module = types.ModuleType("own_module")
    monkeypatch.setitem(sys.modules, "own_module", module)
    exec(OWN, vars(module))
    for kind, name, words in (
        (activations.KIND, "squared", "z²"),
        (losses.KIND, "fourth_power", "Errors count by their fourth power"),
        (optimizers.KIND, "sign_descent", "Steps of one size"),
        (layers.KIND, "halve", "Half of every number"),
    ):
        page = pel.textbook.show(name)
        assert words in str(page)
        assert page.charts
        assert kind.row(kind.items()[name])
        assert name in pel.textbook.show().data[kind.name]
    assert "squared" in [row["name"] for row in activations.KIND.comparison().data["measured"]]
    assert pel.textbook.show("squared").data["behaviour"]["derivative_exactly_0"] == "nowhere"
    assert pel.textbook.show("fourth_power").data["behaviour"]["gradient_at_error_0"] == 0
    assert pel.textbook.show("halve").data["on_a_digit"]["parameters"] == "none"


OWN = '''
from dataclasses import dataclass
import jax.numpy as jnp
import pellucid as pel
from pellucid.core.formula import Formula

@pel.activations.register("squared")
@dataclass(frozen=True)
class Squared(pel.activations.Elementwise):
    """The square."""
    formula = Formula("z**2")
    derivative_formula = Formula("2 * z")
    range = (0.0, float("inf"))
    def value(self, z):
        return z * z
    def derivative(self, z, a):
        return 2 * z

@pel.losses.register("fourth_power")
@dataclass(frozen=True)
class FourthPower(pel.losses.Loss):
    """Errors count by their fourth power."""
    target_kind = "numbers"
    formula = Formula("(yhat - y)**4")
    gradient_formula = Formula("4 * (yhat - y)**3")
    def value(self, prediction, target):
        return jnp.mean((prediction - target) ** 4, axis=1)
    def gradient(self, prediction, target):
        return 4 * (prediction - target) ** 3 / prediction.shape[1]

@pel.optimizers.register("sign_descent")
@dataclass(frozen=True)
class SignDescent(pel.optimizers.Optimizer):
    """Steps of one size, whatever the gradient."""
    learning_rate: float = 0.01
    clip_norm: float | None = None
    clip_value: float | None = None
    formula = Formula("w = w - learning_rate * sign(g)")
    def direction(self, g, w, slots, t):
        return jnp.sign(g), {}

@pel.layers.register("halve")
@dataclass(frozen=True)
class Halve(pel.Layer):
    """Half of every number."""
    def init(self, key, input_shape):
        return {}, {}, input_shape
    def forward(self, params, state, x, *, key=None, training=False):
        return x / 2, state, None
    def backward(self, params, cache, dy):
        return dy / 2, {}
'''


# ------------------------------------------------------------- what is measured is what is stated


def test_ranges_kinks_and_saturation_of_activations():
    for name in activations.KIND.names():
        known = activations.facts(activations.KIND.item(name))
        assert str(known["range"]) == RANGES[name], name
    assert set(RANGES) == set(activations.KIND.names())
    kinks = {item.name: activations.kinks(item) for item in ELEMENTWISE}
    assert {name for name, found in kinks.items() if found} == {
        "relu",
        "leaky_relu",
        "selu",
        "step",
        "hard_tanh",
        "hard_sigmoid",
    }
    assert kinks["relu"] == [(0.0, 0.0, 1.0, 0.0)]
    assert [z for z, *_ in kinks["hard_sigmoid"]] == [-3, 3]
    sigmoid = activations.facts(activations.KIND.item("sigmoid"))
    assert sigmoid["derivative exactly 0"] == "z ≤ −87.3, z ≥ 16.7"  # 1 − a is 0 once a rounds to 1
    assert sigmoid["largest derivative"] == "0.25 at z = 0"
    assert sigmoid["rms derivative for normal z"] < 0.25


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_measured_gradient_and_range_of_a_loss(loss):
    if loss.of_sequences:
        pytest.skip("of no single prediction")
    probe, h = losses.probe_of(loss), 1e-2
    x = np.linspace(probe.low + 0.05, probe.high - 0.05, 30)
    value, gradient = losses.value_and_gradient(loss, x)
    difference = (losses.value_and_gradient(loss, x + h)[0] - losses.value_and_gradient(loss, x - h)[0]) / (2 * h)
    if probe.pair != "rest":  # there the second probability moves too
        np.testing.assert_allclose(gradient, difference, rtol=0.05, atol=0.05)
    assert value.min() >= probe.range.low - 1e-6
    assert value.min() < 0.2
    assert value.max() > 0.6
    assert np.isfinite(losses.value_and_gradient(loss, probe.points[1:-1])).all()


# ------------------------------------------------------------------------------ optimisers and layers


def test_defaults_and_constraints_come_from_the_fields():
    table = hyperparameters(pel.Adam())
    rows = {row[0]: dict(zip(table.head, row, strict=True)) for row in table.rows}
    assert rows["beta2"] == {"name": "beta2", "default": 0.999, "allowed": "[0, 1)", "meaning": "β₂, 0 ≤ β₂ < 1."}
    changed = pel.textbook.show(pel.Adam(learning_rate=0.5)).data["hyperparameters"][0]
    assert (changed["default"], changed["here"]) == (0.001, 0.5)


def test_steps_of_optimisers_for_small_and_large_gradients():
    first = {
        name: [optimizers.step_sizes(item, g, 1)[0] for g in (1e-3, 1e3)]
        for name, item in ((name, optimizers.KIND.item(name)) for name in ("sgd", "momentum", "adam", "rmsprop"))
    }
    np.testing.assert_allclose(first["sgd"], [1e-3, 1e3], rtol=1e-6)
    np.testing.assert_allclose(first["momentum"], [1e-4, 1e2], rtol=1e-5)
    np.testing.assert_allclose(first["adam"], [1, 1], rtol=1e-4)
    np.testing.assert_allclose(first["rmsprop"], [10**0.5] * 2, rtol=1e-3)
    walks = {name: optimizers.walk(optimizers.KIND.item(name)) for name in ("sgd", "nesterov")}
    assert walks["sgd"].rate < 2 / optimizers.CURVATURE[1], "beyond it descent diverges"
    assert walks["nesterov"].steps < walks["sgd"].steps


def test_l1_makes_zeros_and_l2_does_not():
    steps = {name: regularizers.steps_to_zero(regularizers.KIND.item(name)) for name in ("l1", "l2", "elastic_net")}
    assert steps["l1"] == 20  # 1 / (rate · λ)
    assert steps["l2"] is None
    assert steps["elastic_net"]


@pytest.mark.parametrize("name", layers.KIND.names())
def test_the_count_of_parameters_is_the_formula_s(name):
    layer = layers.KIND.item(name)
    example = layers.example_of(layer)
    fields = {key: value[0] if isinstance(value, tuple) and value else value for key, value in vars(layer).items()}
    names = {**fields, "inputs": example.shape[-1]}
    if name == "bidirectional":
        names["layer"] = layers.example_of(layer.layer).row.parameters
    formula = example.count.replace("·", "*").replace("²", "**2")
    assert eval(formula, {}, names) == example.row.parameters


def test_products_of_both_directions():
    passes = count_passes(reference_network(), (784,), batch=3)
    dense = [each for each in passes if each.parameters]
    for first, each in zip([True, False, False], dense, strict=True):
        products = 3 * each.shape_in[0] * each.shape_out[0]
        assert (each.forward, each.to_parameters) == (products, products)
        assert each.to_inputs == (0 if first else products)
    assert sum(each.parameters for each in passes) == 118_282


# --------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize(
    "name",
    ["sigmoid", "softmax", "huber", "adam", "kl_activity", "he_normal", "warm_up", "accuracy", "lstm", "dropout"],
)
def test_a_page_is_text_markdown_html_json_and_a_figure(name, tmp_path):
    page = pel.textbook.show(name)
    text, content = str(page), page.data
    assert max(map(cell_len, text.splitlines())) <= 100
    for rendered in (
        text,
        page.markdown("figure.svg"),
        page._repr_html_(),
        json.dumps(content, allow_nan=False, ensure_ascii=False),
    ):
        assert name in rendered
        assert "nan" not in rendered.replace("nan  ", "") or name == "accuracy"
    for heading in page.sections:
        assert heading in text.lower() or heading == "graph"
    page.save_figure(tmp_path / "a.svg")
    page.save_figure(tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize("name", [*COMPARISONS, "activations", "losses", "regularisers", "schedules"])
def test_comparisons(name):
    page = pel.textbook.show(name)
    assert str(page)
    assert "nan" not in json.dumps(page.data, allow_nan=False)
    if page.charts:
        assert page.figure().axes


def test_names_are_found_or_advised():
    assert "relu" in pel.textbook.show().data["activations"]
    assert pel.textbook.show({"name": "leaky_relu", "alpha": 0.3}).data["hyperparameters"][0]["here"] == 0.3
    assert pel.textbook.show("mean_squared_error").title.endswith("loss")
    assert pel.textbook.show("mean_squared_error", kind="metrics").title.endswith("metric")
    finding = pel.textbook.show("targets not scaled")
    assert "far larger" in finding.data["meaning"]
    assert "standardise the targets" in str(finding)
    with pytest.raises(UnknownName, match="'relu'"):
        pel.textbook.show("rellu")
    with pytest.raises(UnknownName, match="Known: activations"):
        pel.textbook.show("relu", kind="things")


def test_the_command(tmp_path):
    run = partial(CliRunner().invoke, main)
    shown = run(["show", "leaky_relu:alpha=0.3", "--json"])
    assert json.loads(shown.stdout)["behaviour"]["range"]["low"] == "-inf"
    assert "⠀" in run(["show", "tanh"]).stdout
    for ending in ("png", "md"):
        assert run(["show", "tanh", "--output", str(tmp_path / f"tanh.{ending}")]).exit_code == 0
    assert "\\frac{e^{z}" in (tmp_path / "tanh.md").read_text()
    wrong = run(["show", "tanhh"])
    assert wrong.exit_code == 2
    assert "Did you mean 'tanh'" in wrong.stderr


def test_cells_are_written_for_people():
    rows = [(Range(-1.0, float("inf"), True), (2, 3), (), None, True)]
    page = Page("name", "title", {"cells": Table(("range", "shape", "none", "missing", "yes"), rows)})
    assert str(page).split("\n")[-1].split("  ")[0] == "[−1, ∞)"
    assert page.data["cells"] == [
        {"range": {"low": -1.0, "high": "inf", "low_closed": True, "high_closed": False}}
        | {"shape": [2, 3], "none": [], "missing": None, "yes": True}
    ]
    assert " ".join(str(page).split("\n")[-1].split()) == "[−1, ∞) 2×3 1 – yes"
