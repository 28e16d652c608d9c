"""Every loss with every task: it trains and predicts rightly, or is refused by name; and custom losses."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import DoctorWarning, InvalidValue, ShapeError
from pellucid.functions.losses import Loss, PerOutput, losses
from pellucid.functions.metrics import BinaryAccuracy, Metric
from pellucid.functions.regularizers import L2
from pellucid.layers import Layer
from pellucid.runs.own_loss import check_gradient
from pellucid.runs.plan import settle
from pellucid.runs.ready import make_ready

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
SUM = X.sum(axis=1)
"""What is to be learnt: no column alone tells it."""
TARGETS = {
    "binary": (SUM > 0).astype(int),
    "multiclass": np.digitize(SUM, [-0.8, 0.8]),
    "multilabel": np.stack([SUM > 0, X[:, 0] > X[:, 1] + X[:, 2]], axis=1).astype(int),
    "regression": SUM,
    "reconstruction": None,
}
DATA = {task: pel.make_dataset(X, y) for task, y in TARGETS.items()}
NUMBERS = {"mean_squared_error", "mean_absolute_error", "huber", "log_cosh", "quantile"}
YES_NO = {"hinge", "perceptron_criterion", "squared_hinge", "binary_cross_entropy", "sigmoid_binary_cross_entropy"}
YES_NO |= {"binary_focal", "sigmoid_focal"}
CLASSES = {name for name in losses if "categorical" in name or "softmax" in name} | {"kl_divergence"}
FITTING = {
    "binary": NUMBERS | YES_NO | {"contrastive"},
    "multilabel": NUMBERS | YES_NO,
    "multiclass": CLASSES | {"hinge", "perceptron_criterion", "squared_hinge"},
    "regression": NUMBERS,
    "reconstruction": NUMBERS | {"cosine"},
}
"""By task the losses that it takes with these rows; of probabilities only where targets and outputs are some."""
SETTINGS = {"epochs": 25, "optimizer": pel.Adam(0.1), "record_every": 0, "progress": False}


@pytest.mark.parametrize("task", DATA)
@pytest.mark.parametrize("name", [name for name in losses if not name.startswith("test_")])
def test_each_loss_fits_a_task_or_is_refused_by_name(task, name):
    data = DATA[task]
    assert data.task == task
    network = "autoencoder" if task == "reconstruction" else ()
    planned = settle(network, data, {"loss": name})
    if name not in FITTING[task]:
        with pytest.raises((ShapeError, InvalidValue), match=rf"{name}.*(Fitting losses|or take another|usual loss)"):
            make_ready(planned.experiment, planned.data, planned.network)
        return
    ready = make_ready(planned.experiment, planned.data, planned.network)
    loss, metric = ready.program.loss, ready.program.metric
    last = ready.program.network.names[-1]
    if task in ("binary", "multilabel", "multiclass"):
        raw = loss.reads in ("logits", "margins")
        assert last.startswith("dense" if raw else ("sigmoid", "softmax"))
        if task != "multiclass":
            assert metric == BinaryAccuracy(0.0 if raw else 0.5)
    if loss.reads == "margins":
        assert set(np.unique(ready.train.y)) == {-1, 1}
    value = loss.value(jnp.ones((len(data.train), *_outputs(data)), jnp.float32), _targets(ready, data))
    assert np.isfinite(value).all()


def _outputs(data):
    return data.input_shape if data.task == "reconstruction" else (data.outputs,)


def _targets(ready, data):
    return jnp.asarray(data.train.x) if ready.train.y is None else ready.train.y


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("binary", "hinge"),
        ("multilabel", "squared_hinge"),
        ("multiclass", "hinge"),
        ("multilabel", "sigmoid_binary_cross_entropy"),
        ("binary", "mean_squared_error"),
    ],
)
@pytest.mark.filterwarnings("ignore:wrong loss")
def test_what_fits_learns_and_predicts_as_its_accuracy_counts(task, name, tmp_path):
    data = DATA[task]
    run = pel.train((), data, loss=name, **SETTINGS)
    predicted, true = run.predict(data.held_out.x), data.held_out.y
    right = (predicted.reshape(true.shape) == true).mean()
    assert right > (0.5 if task == "multiclass" else 0.7)  # a third by chance, or half
    assert run.result[run.program.metric.name] == pytest.approx(right)
    run.save(tmp_path)
    loaded = pel.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(data.held_out.x), predicted)
    assert loaded.evaluate(data.held_out.x, true if task != "binary" else true[:, 0]) == pytest.approx(run.result)
    assert run.diagnose() is not None


@pytest.mark.parametrize("y", [[-1, 1], [0, 1], [-1.0, 1.0], ["no", "yes"]], ids=str)
def test_hinge_takes_two_classes_however_they_are_written(y):
    labels = np.array(y)[TARGETS["binary"]]
    run = pel.train((), (X, labels), loss="hinge", **SETTINGS)
    assert (run.predict(X) == labels.astype(run.predict(X).dtype)).mean() > 0.8
    assert run.result["binary_accuracy"] > 0.6


def test_an_end_that_cannot_give_what_the_loss_reads_is_refused():
    sigmoid = pel.Network(pel.Dense(1, "sigmoid"))
    for name, advice in (
        ("hinge", r"Dense\(1, \"linear\"\)"),
        ("sigmoid_binary_cross_entropy", "'binary_cross_entropy'"),
    ):
        with pytest.raises(InvalidValue, match=rf"{name}.*of any sign, but the network ends in sigmoid.*{advice}"):
            pel.train(sigmoid, DATA["binary"], loss=name, **SETTINGS)


@pytest.mark.filterwarnings("ignore:loss scale")
def test_a_sum_trains_on_the_sum_and_reports_the_mean():
    """Metrics do not grow with the rows: of steps, of epochs, of the held-out rows, of other rows."""
    data = DATA["regression"]
    run = pel.train((), data, loss="log_cosh", optimizer=pel.SGD(1e-4), epochs=2, batch_size=20, progress=False)
    mean = run.program.loss.value

    def of(part):
        target = run.facts.target_preprocessing.apply_numpy(part.y)
        outputs = run.facts.target_preprocessing.apply_numpy(run.outputs(part.x))
        return float(mean(jnp.asarray(outputs), jnp.asarray(target)).mean())

    assert run.result["loss"] == pytest.approx(of(data.held_out), rel=1e-4)
    assert run.history.epochs["held_out_loss"][-1] == pytest.approx(of(data.held_out), rel=1e-4)
    assert run.evaluate(data.train.x, data.train.y)["loss"] == pytest.approx(of(data.train), rel=1e-4)
    # The weights hardly move at this rate, so that training and evaluation see the same network.
    assert run.history.epochs["loss"][-1] == pytest.approx(of(data.train), rel=0.05)


# ------------------------------------------------------------------------------------------ custom losses


@dataclass(frozen=True)
class Tube(PerOutput):
    """Nothing within ½, the distance beyond: a loss with kinks."""

    name: ClassVar[str] = "test_tube"

    def term(self, prediction, target):
        return jnp.maximum(jnp.abs(prediction - target) - 0.5, 0)

    def term_gradient(self, prediction, target):
        return jnp.where(jnp.abs(prediction - target) > 0.5, jnp.sign(prediction - target), 0)


@dataclass(frozen=True)
class Half(PerOutput):
    """A gradient without its factor 2."""

    def term(self, prediction, target):
        return jnp.square(prediction - target)

    def term_gradient(self, prediction, target):
        return prediction - target


@dataclass(frozen=True)
class OneNumber(Loss):
    """One value for the whole batch."""

    target_kind = "numbers"

    def value(self, prediction, target):
        return jnp.square(prediction - target).mean()

    def gradient(self, prediction, target):
        return 2 * (prediction - target)


@dataclass(frozen=True)
class Distance(Metric):
    higher_is_better = False

    def value(self, prediction, target):
        return jnp.abs(prediction - target).mean(axis=1)


@dataclass(frozen=True)
class Ridge(L2):
    """Inherits a name that is another's."""


@dataclass(frozen=True)
class Twice(Layer):
    def init(self, key, input_shape):
        return {}, {}, input_shape

    def forward(self, params, state, x, *, key=None, training=False):
        return 2 * x, state, None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"loss": Tube()},
            r'the loss Tube is not registered.*@losses\.register\("tube"\).*pellucid\.functions\.losses',
        ),
        ({"metric": Distance()}, r'the metric Distance is not registered.*@metrics\.register\("distance"\)'),
        ({"regularizer": Ridge()}, r'the regularizer Ridge is not registered.*@regularizers\.register\("ridge"\)'),
        ({"loss": Tube}, r"Tube is a class\. Write Tube\(…\)"),
        ({"loss": abs}, r"A custom one is a class that inherits from Loss, see pellucid\.functions\.losses"),
        ({"loss": "my_own_thing"}, r"A custom one must be registered first: @losses\.register\('my_own_thing'\)"),
    ],
)
def test_what_is_not_registered_says_how_to(settings, says):
    with pytest.raises(ValueError, match=says):
        settle((), DATA["regression"], settings)


def test_a_layer_without_a_name_says_how_to_register_it(monkeypatch):
    # As a user has it: without the type checker of the tests, which would come first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InvalidValue, match=r'Twice has no name.*@layers\.register\("twice"\)'):
        pel.Network(Twice(), pel.Dense(1))


def test_a_gradient_that_is_none_is_refused_with_the_numbers():
    """Near a kink the gradient lies between the differences on both sides; a missing factor is found."""
    prediction, target = RNG.normal(size=(2, 16, 2))
    check_gradient(Tube(), target + 0.5, target)  # on the kink
    for name in set(losses) - {"test_tube"}:
        if losses.find(name).target_kind == "numbers":
            check_gradient(losses.build(name), np.full((4, 2), 0.3), np.ones((4, 2)))
    with pytest.raises(InvalidValue, match=r"gradient of the loss Half is not the derivative.*16 examples differ"):
        check_gradient(Half(), prediction, target)
    with pytest.raises(ShapeError, match=r"one value for each of the 16 examples.*value \(\)"):
        check_gradient(OneNumber(), prediction, target)


def test_the_gradient_is_checked_before_the_first_step(monkeypatch, tmp_path):
    monkeypatch.setitem(losses._classes, "half", Half)
    monkeypatch.setattr(Half, "name", "half", raising=False)
    with pytest.raises(InvalidValue, match="Half is not the derivative"):
        pel.train((), DATA["regression"], loss=Half(), folder=tmp_path / "run", **SETTINGS)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InvalidValue, match="Half is not the derivative"):
        pel.compare(DATA["regression"], {"batch_size": [8, 16]}, network=(), loss=Half(), seeds=1, **SETTINGS)


# -------------------------------------------------------------------------------- inputs alone, and not finite


def test_an_autoencoder_takes_its_inputs_alone():
    settings = {"epochs": 1, "record_every": 0, "progress": False}
    network = {"name": "autoencoder", "hidden": [4], "code": 2}
    alone, with_none = pel.train(network, X, **settings), pel.train(network, (X, None), **settings)
    assert alone.facts.task == "reconstruction"
    assert alone.result == with_none.result
    assert alone.predict(X[:2]).shape == (2, 3)
    for data in (X, (X, None)):
        with pytest.raises(
            InvalidValue, match=r"pair of arrays \(x, y\): this network learns targets.*\"autoencoder\""
        ):
            pel.train((4,), data, **settings)


@dataclass(frozen=True)
class Undefined(PerOutput):
    """Not a number for targets above 20."""

    name: ClassVar[str] = "undefined"

    def term(self, prediction, target):
        return jnp.where(target < 20, jnp.square(prediction - target), jnp.nan)

    def term_gradient(self, prediction, target):
        return 2 * (prediction - target)


def test_held_out_figures_that_are_not_finite_are_reported(monkeypatch, tmp_path):
    monkeypatch.setitem(losses._classes, "undefined", Undefined)
    data = pel.make_dataset(X[:50], SUM[:50], held_out=(X[50:], np.append(SUM[50:59], 90.0)))
    settings = {"loss": Undefined(), "epochs": 2, "record_every": 0, "progress": False, "scale_targets": "none"}
    with pytest.warns(DoctorWarning, match="loss of the held-out rows is not finite: all outputs are finite"):
        run = pel.train((), data, folder=tmp_path / "run", **settings)
    assert math.isnan(run.result["loss"])
    assert "the loss of the held-out rows is not finite" in str(run)
    assert str(pel.load(tmp_path / "run")) == str(run)
    assert pel.EarlyStopping(2).best_epoch([np.nan, 0.5, np.nan, 0.4]) == 3
