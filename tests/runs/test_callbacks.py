"""Code of the user between the epochs: what it sees, what it changes, and that a resumed training has the same bits."""

import dataclasses
import inspect
import signal
import subprocess
import sys
import types

import jax
import numpy as np
import optax
import pytest

import pellucid as pel
from pellucid.core.constraints import Interval
from pellucid.core.errors import InvalidValue, MissingExtra
from pellucid.functions.regularizers import regularizers
from pellucid.functions.schedules import OnPlateau, WarmUp, schedules
from pellucid.optimizers import optimizers
from pellucid.report.live_plot import LivePlot
from pellucid.runs.changes import changed, described
from pellucid.runs.experiment import Experiment
from pellucid.training.loop import Training

IRIS = pel.load_dataset("iris")
QUIET = {"progress": False, "seed": 1}
SAME = ["weights.safetensors", "result.json", "manifest.json", "report.html", "experiment.toml"]
SAME += [f"history/{name}.parquet" for name in ("epochs", "steps", "layers")]


def same_bits(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def same_files(one, other):
    for name in SAME:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


SCRIPT = """
import os, signal, sys
import pellucid as pel

def halve(training):
    if training.epoch == 5:
        training.set("learning_rate", training.get("learning_rate") / 2)

def kill(training):
    if training.epoch == 7 and "--kill" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    pel.train(
        (16,), pel.load_dataset("digits"), epochs=10, batch_size=100, dropout=0.1, seed=3, folder=sys.argv[1],
        checkpoint_every=0.0, progress=False, callbacks=[halve, kill],
    )
"""


def test_halved_at_epoch_5_killed_at_7_and_resumed_it_has_the_same_bits(tmp_path, monkeypatch):
    """Weights, history, metrics and page; and so without the callback, whose change is in the checkpoint."""
    (tmp_path / "halving.py").write_text(SCRIPT)
    monkeypatch.syspath_prepend(tmp_path)
    import halving

    whole, killed, alone = (tmp_path / name for name in ("whole", "killed", "alone"))
    command = [sys.executable, str(tmp_path / "halving.py")]
    assert subprocess.run([*command, str(whole)], check=False).returncode == 0
    assert subprocess.run([*command, str(killed), "--kill"], check=False).returncode == -signal.SIGKILL
    assert not (killed / "weights.safetensors").exists()
    subprocess.run(["cp", "-r", killed, alone], check=True)
    resumed = pel.resume(killed, callbacks=[halving.halve], progress=False)
    pel.resume(alone, progress=False)
    assert resumed.history.epochs["learning_rate"].tolist() == [np.float32(0.001)] * 5 + [np.float32(0.0005)] * 5
    same_files(whole, killed)
    same_files(whole, alone)
    page = (killed / "report.html").read_text()
    assert "Callbacks acted on it" in page
    assert "optimizer.learning_rate" in page


def test_what_a_callback_sees_is_the_run_so_far():
    seen, ends = [], []

    class Look:
        def __call__(self, training):
            seen.append((training.epoch, training.step, training.metrics, training.evaluate(*held_out)))
            assert training.predict(IRIS.held_out.x).shape == (30,)
            assert training.history.epochs_made == training.epoch
            histories.append(training.history)
            exact.append(training.evaluate())

        def end(self, training):
            ends.append(training.step)

    histories, exact = [], []
    held_out = IRIS.held_out.x, np.asarray(IRIS.classes)[IRIS.held_out.y]
    run = pel.train((6,), IRIS, epochs=4, callbacks=[Look()], **QUIET)
    table = run.history.epochs
    assert [epoch for epoch, *_ in seen] == [1, 2, 3, 4]
    assert [history.epochs_made for history in histories] == [1, 2, 3, 4]  # each as it was
    assert ends == [run.history.steps_made]
    for epoch, step, metrics, measured in seen:
        assert measured == exact[epoch - 1]
        assert step == epoch * run.history.steps_per_epoch
        assert metrics == {name: column[epoch - 1] for name, column in table.items() if name != "epoch"}
        assert measured["loss"] == pytest.approx(metrics["held_out_loss"], rel=1e-5)
    plain = pel.train((6,), IRIS, epochs=4, **QUIET)
    same_bits(run.params, plain.params)
    assert run.changes == plain.changes == ()
    assert "changes" not in run.manifest


def test_without_callbacks_calls_are_cut_nowhere(monkeypatch):
    stops = []
    call = Training._call
    monkeypatch.setattr(Training, "_call", lambda self, start, stop: (stops.append(stop), call(self, start, stop))[1])
    run = pel.train((6,), IRIS, epochs=200, callbacks=[], **QUIET)
    assert run.training.cuts == ()
    assert len(stops) < 60
    stops.clear()
    steps = []
    each = pel.callbacks.Every(3, lambda training: steps.append(training.step))
    pel.train((6,), IRIS, epochs=3, callbacks=[each, print_nothing], **QUIET)
    assert steps == [3, 6, 9, 12]
    assert {4, 8, 12} <= set(stops)


def print_nothing(training):
    assert repr(training).startswith("<TrainingView at epoch ")


def test_a_callback_ends_the_training_and_says_why(tmp_path):
    def enough(training):
        if training.metrics["loss"] < 0.95:
            training.stop("the loss is below 0.95")

    run = pel.train((6,), IRIS, epochs=50, folder=tmp_path / "run", callbacks=enough, **QUIET)
    assert run.stopped == pel.load(tmp_path / "run").stopped == "callback"
    assert run.history.epochs["loss"][-1] < 0.95 <= run.history.epochs["loss"][-2]
    assert "stopped by a callback: the loss is below 0.95" in str(pel.load(tmp_path / "run"))
    assert "ended it: the loss is below 0.95" in (tmp_path / "run/report.html").read_text()
    longer = pel.resume(tmp_path / "run", progress=False)
    assert longer.history.epochs_made == 50
    same_bits(longer.params, pel.train((6,), IRIS, epochs=50, **QUIET).params)


# ------------------------------------------------------------------------------------ what may change


def numbers_of(item, path=""):
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        if dataclasses.is_dataclass(value):
            yield from numbers_of(value, f"{path}{field.name}.")
        elif value is not None and (
            isinstance(field.metadata.get("constraint"), Interval) or field.name == "learning_rate"
        ):
            yield f"{path}{field.name}", value


def an_item(registry, name):
    needed = {"learning_rate": 0.2, "epochs": 8.0}
    parameters = inspect.signature(registry.find(name)).parameters.values()
    return registry.build({"name": name} | {p.name: needed[p.name] for p in parameters if p.default is p.empty})


RULES = [(f"optimizer {name}", "optimizer", optimizers.build(name)) for name in optimizers]
RULES += [(f"schedule {name}", "optimizer", pel.Adam(an_item(schedules, name))) for name in schedules]
RULES += [("nested", "optimizer", pel.SGD(WarmUp(OnPlateau(0.1)), clip_norm=3.0))]
RULES += [(f"regularizer {name}", "regularizer", regularizers.build(name)) for name in regularizers]


@pytest.mark.parametrize(("part", "item"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_every_number_of_every_rule_is_read_and_changed(part, item):
    registry = optimizers if part == "optimizer" else regularizers
    settings = {"network": ["flatten"], "loss": "mean_squared_error", "optimizer": "adam"}
    experiment = Experiment(**settings | {part: registry.describe(item)})
    run = types.SimpleNamespace(experiment=experiment, changes=[], resumed=())
    ways = dict(numbers_of(item))
    assert ways
    for way, value in ways.items():
        path = f"{part}.{way}"
        new = value / 2 if value else 0.5
        before, named, other = changed(run, path, new)
        assert (before, named) == (value, path)
        assert dict(numbers_of(other)) == ways | {way: new}
        run.changes.append({"setting": path, "after": new})
        assert changed(run, path)[0] == new
        assert getattr(described(experiment, run.changes), part) == registry.describe(changed(run, path, new)[2])
        run.changes.clear()


REFUSED = {
    "rate": "Name one of the optimizer or the regularizer",
    "optimizer.foo": r"adam has no number 'foo'\. Those that can change: learning_rate, beta1, beta2, epsilon",
    "optimizer.clip_norm": "is not in use in this training",
    "optimizer.learning_rate": r"is the schedule 'on_plateau' here.*optimizer\.learning_rate\.factor",
    "optimizer.learning_rate.patience": "the compiled program depends on patience",
    "optimizer.beta1.x": "beta1 is a number, 0.9, that holds no others",
    "critic_optimizer.beta1": "no optimizer of a critic's own",
    "regularizer.strength": "this training has no regularizer",
}


@pytest.mark.parametrize("setting", REFUSED)
def test_what_cannot_change_is_refused_with_what_can(setting):
    with pytest.raises(InvalidValue, match=REFUSED[setting]) as raised:
        pel.train(
            (4,), IRIS, optimizer=pel.Adam(OnPlateau(0.1)), epochs=1, callbacks=[lambda t: t.set(setting, 0.5)], **QUIET
        )
    assert raised.value.__notes__ == ["Raised by the callback <lambda> at epoch 1, step 4 of the training."]


def test_other_values_and_callbacks_are_refused():
    def train(*callbacks, **settings):
        return pel.train((4,), IRIS, epochs=1, callbacks=list(callbacks), **QUIET, **settings)

    with pytest.raises(InvalidValue, match=r"Adam.learning_rate must be a number in \(0, inf\). Received: -1.0"):
        train(lambda t: t.set("learning_rate", -1))
    with pytest.raises(InvalidValue, match=r"optimizer.learning_rate must be a number. Received: 'fast'"):
        train(lambda t: t.set("learning_rate", "fast"))
    with pytest.raises(InvalidValue, match="holds its numbers inside"):
        train(lambda t: t.set("learning_rate", 1e-3), optimizer=optax.adam(1e-3))
    for wrong in (3, "plot", LivePlot, pel.callbacks.Save):
        with pytest.raises(InvalidValue, match="callbacks must be a list of functions"):
            train(wrong)
    with pytest.raises(InvalidValue, match="callbacks are of one training"):
        pel.compare(IRIS, {"epochs": [1]}, callbacks=[])
    with pytest.raises(InvalidValue, match="callbacks are of one training"):
        pel.cross_validate((4,), IRIS, epochs=1, callbacks=[])


def halve_all(training):
    if training.epoch == 2:
        for setting in ("optimizer.learning_rate.learning_rate", "optimizer.beta1", "regularizer.strength"):
            training.set(setting, training.get(setting) / 2)


def test_a_plateau_keeps_its_cuts_and_all_is_resumed_to_the_bit(tmp_path):
    """With a schedule that watches the loss, early stopping, a penalty and averaged weights."""
    settings = {
        "optimizer": pel.Adam(OnPlateau(0.05, factor=0.5, patience=1)),
        "regularizer": {"name": "l2", "strength": 1e-3},
        "early_stopping": 8,
        "average_weights": 0.9,
        **QUIET,
    }
    whole = pel.train((6,), IRIS, epochs=8, folder=tmp_path / "whole", callbacks=[halve_all], **settings)
    rates = whole.history.epochs["learning_rate"]
    cuts = np.log2(0.05 / rates)
    np.testing.assert_allclose(cuts, cuts.round(), atol=1e-4)
    observed = OnPlateau(0.05, factor=0.5, patience=1).observe(whole.history.held_out[:-1, 0].tolist()).scale
    assert rates[-1] == pytest.approx(0.025 * observed)
    assert float(whole.training.state.optimizer.rule.beta1) == np.float32(0.45)
    assert float(whole.training.state.regularizer.strength) == np.float32(5e-4)
    for cut in (1, 2, 5):
        folder = tmp_path / f"cut-{cut}"
        pel.train((6,), IRIS, epochs=cut, folder=folder, callbacks=[halve_all], **settings)
        resumed = pel.resume(folder, epochs=8, callbacks=[halve_all], progress=False)
        same_bits(resumed.training.state.params, whole.training.state.params)
        same_bits(resumed.params, whole.params)
        assert resumed.changes == whole.changes
        np.testing.assert_array_equal(resumed.history.epochs["learning_rate"], rates)
    loaded = pel.load(tmp_path / "whole")
    assert loaded.changes == whole.changes
    assert loaded.predict(IRIS.held_out.x).tolist() == whole.predict(IRIS.held_out.x).tolist()


def test_settings_changed_on_resuming_go_on_from_what_a_callback_left(tmp_path):
    def set_rate(training):
        training.set("learning_rate", {2: 0.02, 5: 0.03}.get(training.epoch, training.get("learning_rate")))

    def third(training):
        if training.epoch == 2:
            training.set("optimizer.beta1", 0.3)

    pel.train((6,), IRIS, epochs=3, folder=tmp_path / "run", callbacks=[set_rate, third], **QUIET)
    run = pel.resume(tmp_path / "run", epochs=4, learning_rate=0.1, progress=False)
    (entry,) = run.resumed
    assert entry["changed"]["optimizer"]["before"] == {"name": "adam", "learning_rate": 0.02, "beta1": 0.3}
    assert run.experiment.optimizer == {"name": "adam", "learning_rate": 0.1, "beta1": 0.3}
    run = pel.resume(tmp_path / "run", epochs=6, callbacks=[set_rate], progress=False)
    run = pel.resume(tmp_path / "run", epochs=7, progress=False)
    expected = np.float32([0.001, 0.001, 0.02, 0.1, 0.1, 0.03, 0.03])
    np.testing.assert_array_equal(np.float32(run.history.epochs["learning_rate"]), expected)
    assert float(run.training.state.optimizer.rule.beta1) == np.float32(0.3)


def test_an_error_of_a_callback_loses_nothing(tmp_path):
    """What it had changed is taken back; resumed, it is called again, and those before it are not."""
    calls = []

    def first(training):
        calls.append(training.epoch)

    def second(training):
        if training.epoch == 2:
            training.set("learning_rate", 0.1)
            if not calls[3:]:
                raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full") as raised:
        pel.train((6,), IRIS, epochs=4, folder=tmp_path / "run", callbacks=[first, second], **QUIET)
    assert raised.value.__notes__ == [
        "Raised by the callback second at epoch 2, step 8 of the training.",
        f"What was trained until then is saved: resume({str(tmp_path / 'run')!r}).",
    ]
    assert calls == [1, 2]
    calls += [0, 0]
    resumed = pel.resume(tmp_path / "run", callbacks=[first, second], progress=False)
    assert calls == [1, 2, 0, 0, 3, 4]
    whole = pel.train((6,), IRIS, epochs=4, folder=tmp_path / "whole", callbacks=[first, second], **QUIET)
    same_bits(resumed.params, whole.params)
    same_files(tmp_path / "run", tmp_path / "whole")


# ------------------------------------------------------------------------------------ other trainings


def test_a_gan_has_callbacks_too():
    points = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    seen = []

    def both(training):
        seen.append(set(training.metrics))
        if training.epoch == 1:
            training.set("learning_rate", 1e-5)
            assert training.run.sample(3).shape == (3, 2)

    settings = {"epochs": 2, "batch_size": 16, "critic_steps": 1, **QUIET}
    run = pel.train("wgan", points, callbacks=[both], **settings)
    assert {"loss", "generator_loss"} <= seen[0]
    states = run.training.state.optimizer
    assert (
        float(states["generator"].rule.learning_rate) == float(states["critic"].rule.learning_rate) == np.float32(1e-5)
    )

    def one(training):
        training.set("critic_optimizer.learning_rate", 1e-5)

    with pytest.raises(InvalidValue, match="Begin a GAN with a critic_optimizer"):
        pel.train("wgan", points, callbacks=[one], **settings)
    states = pel.train("wgan", points, critic_optimizer="sgd", callbacks=[one], **settings).training.state.optimizer
    assert float(states["critic"].rule.learning_rate) == np.float32(1e-5)
    assert float(states["generator"].rule.learning_rate) > 2e-5


def test_the_first_training_of_the_recipe_calls_none():
    epochs = []
    run = pel.train((6,), IRIS, batch_size=60, callbacks=[lambda training: epochs.append(training.epoch)], **QUIET)
    assert epochs == list(range(1, run.history.epochs_made + 1))


def test_an_optimizer_of_optax_is_read_and_stopped():
    def stop(training):
        assert np.isfinite(training.metrics["held_out_loss"])
        training.stop("seen")

    assert pel.train((6,), IRIS, optimizer=optax.adam(1e-3), epochs=3, callbacks=[stop], **QUIET).stopped == "callback"


# ------------------------------------------------------------------------------------ those that are ready


def test_save_keeps_every_so_many_epochs_or_the_best(tmp_path):
    every = pel.callbacks.Save(tmp_path / "epoch-{epoch}", epochs=3)
    best = pel.callbacks.Save(tmp_path / "best", best="held_out_accuracy")
    run = pel.train((6,), IRIS, learning_rate=0.05, epochs=7, callbacks=[every, best], **QUIET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "epoch-3", "epoch-6"]
    table = run.history.epochs
    kept = pel.load(tmp_path / "best")
    assert kept.history.epochs_made == int(np.argmax(table["held_out_accuracy"])) + 1
    assert kept.result["accuracy"] == pytest.approx(table["held_out_accuracy"].max())
    assert pel.load(tmp_path / "epoch-3").history.epochs_made == 3
    with pytest.raises(InvalidValue, match=r"no such metric is recorded. Metrics: loss, accuracy"):
        pel.train((6,), IRIS, epochs=1, callbacks=[pel.callbacks.Save(tmp_path / "x", best="f1")], **QUIET)


class Display:
    """IPython's display, as far as it is used."""

    def __init__(self):
        self.shown, self.places = [], 0

    def module(self):
        def display(drawing, raw, display_id):
            self.places += 1
            show(drawing, raw)
            return types.SimpleNamespace(update=show)

        def show(drawing, raw):
            self.shown.append(drawing["text/html"])

        return types.SimpleNamespace(display=display)


def test_a_live_plot_is_drawn_in_one_place(monkeypatch):
    screen = Display()
    monkeypatch.setitem(sys.modules, "IPython.display", screen.module())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=screen.module()))
    plot = LivePlot(seconds=0)
    pel.train((6,), IRIS, epochs=3, callbacks=[plot], **QUIET)
    assert (screen.places, len(screen.shown)) == (1, 4)
    assert "epoch 3 of 3" in screen.shown[-1]
    assert "<svg" in screen.shown[-1]
    pel.train((6,), IRIS, epochs=3, callbacks=[LivePlot(seconds=1000), plot], **QUIET)
    assert screen.places == 3
    assert len(screen.shown) == 4 + 2 + 4  # the slow one at the first epoch and at the end


def test_a_live_plot_needs_ipython_only_when_it_draws(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    monkeypatch.setitem(sys.modules, "IPython", None)
    plot = LivePlot()
    with pytest.raises(MissingExtra, match=r"pip install 'pellucid\[notebook\]'"):
        pel.train((6,), IRIS, epochs=1, callbacks=[plot], **QUIET)


class Followed:
    """Notes what it is told."""

    def __init__(self):
        self.told = []

    def __call__(self, training):
        self.told.append(("epoch", training.epoch, training.saved))

    def begin(self, training):
        self.told.append(("begin", training.epoch, training.folder))

    def end(self, training):
        self.told.append(("end", training.epoch, training.saved))

    def finished(self, run):
        self.told.append(("finished", run.history.epochs_made, run.folder))

    def failed(self, error):
        self.told.append(("failed", str(error)))


def test_a_callback_is_told_of_beginning_and_end(tmp_path):
    """Before the first step, also of a resumed training; when the run is saved, with its page; of an error."""
    follow, folder = Followed(), tmp_path / "run"
    pel.train((6,), IRIS, epochs=2, folder=folder, checkpoint_every=0, callbacks=[follow], **QUIET)
    assert follow.told == [
        ("begin", 0, folder), ("epoch", 1, 0), ("epoch", 2, 4), ("end", 2, 8), ("finished", 2, folder),
    ]  # fmt: skip
    assert (folder / "report.html").exists()
    follow.told.clear()
    pel.resume(folder, epochs=3, progress=False, callbacks=[follow])
    assert follow.told[0] == ("begin", 2, folder)
    assert follow.told[-1] == ("finished", 3, folder)
    alone = Followed()
    with pytest.raises(ZeroDivisionError):
        pel.train((6,), IRIS, epochs=2, callbacks=[alone, lambda training: 1 // 0], **QUIET)
    assert alone.told == [("begin", 0, None), ("epoch", 1, 4), ("failed", "integer division or modulo by zero")]
