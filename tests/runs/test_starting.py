"""Starting weights, frozen layers, learning rates by layer, and training on from a run."""

import jax.numpy as jnp
import msgspec
import numpy as np
import pytest
import torch

import pellucid as pel
from pellucid.core.errors import InvalidValue, StorageError
from pellucid.doctor.facts import Facts
from pellucid.layers import Frozen
from pellucid.optimizers import Momentum
from pellucid.runs.fit import begin, fit, training_again
from pellucid.runs.many import many
from pellucid.runs.plan import plan_of, settle
from pellucid.runs.starting import of_folder
from pellucid.training import to_arrays

IRIS = pel.load_dataset("iris")
NETWORK = pel.Network(
    pel.Dense(8), pel.BatchNorm(), pel.Activation("relu"), pel.Dense(6, "tanh"), pel.Dense(3, "softmax")
)
HEAD = pel.Network(pel.Dense(8), pel.BatchNorm(), pel.Activation("relu"), pel.Dense(5, "tanh"), pel.Dense(3, "softmax"))


def train(network, data=IRIS, **settings):
    return pel.train(network, data, progress=False, **{"epochs": 2, **settings})


def same(a, b):
    assert a.keys() == b.keys()
    for layer, arrays in a.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, b[layer][name], f"{layer}/{name}")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return train(NETWORK, epochs=4, folder=tmp_path_factory.mktemp("runs") / "source")


GIVEN = {
    "run": lambda run: run,
    "folder": lambda run: run.folder,
    "loaded": lambda run: pel.load(run.folder),
    "by layer": lambda run: run.weights,
    "flat": lambda run: {f"{layer}/{name}": a for layer, own in run.weights.items() for name, a in own.items()},
    "lists": lambda run: {layer: {name: a.tolist() for name, a in own.items()} for layer, own in run.weights.items()},
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_every_source_gives_parameters_and_statistics_and_no_epochs_evaluate_them(source, given):
    run = train(NETWORK, initial=given(source), epochs=0)
    same(run.weights, source.weights)
    assert run.result == source.result
    assert run.stopped == "epochs"
    np.testing.assert_array_equal(run.predict(IRIS.held_out.x), source.predict(IRIS.held_out.x))


def test_a_run_without_epochs_is_saved_loaded_and_explained(source, tmp_path):
    run = train(NETWORK, initial=source, epochs=0, folder=tmp_path / "run")
    assert (tmp_path / "run" / "report.html").exists()
    loaded = pel.load(tmp_path / "run")
    assert loaded.result == run.result
    same(loaded.weights, source.weights)
    assert loaded.explain(IRIS.held_out.x[0], "setosa").worst_error < 1e-6


def test_the_table_says_where_each_layer_starts(source):
    run = train(HEAD, initial=source)
    start = [text for text in run.notes.choices if ": starts" in text or ": initialised" in text]
    assert start == [
        f"dense_1: starts from {source.folder}",
        f"batch_norm_1: starts from {source.folder}",
        "dense_2: initialised; weights 8×6 there, 8×5 here",
        "dense_3: initialised; weights 6×3 there, 5×3 here",
    ]
    part = {"dense_1": {"weights": source.weights["dense_1"]["weights"]}, "dense_9": {"weights": np.ones((2, 2))}}
    texts = train(HEAD, initial=part).notes.choices
    assert "dense_1: starts from arrays; biases initialised" in texts
    assert "dense_2: initialised; no layer of that name there" in texts
    assert "dense_9 of arrays: not in this network" in texts


def test_other_classes_behind_the_same_head_are_reported(source):
    names = ("red", "green", "blue")
    other = pel.make_dataset(IRIS.train.x, np.array(names)[IRIS.train.y], name="flowers")
    texts = train(NETWORK, other, initial=source).notes.choices
    assert f"dense_3: was trained for setosa, versicolor, virginica in {source.folder}, is trained for " in "; ".join(
        texts
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"dense_7": {"weights": np.ones(3)}}, "no layer of this network takes anything from arrays"),
        ({"weights": np.ones(3)}, "names no array of a layer"),
        ({"dense_1/weights": [[np.nan]]}, "must hold finite numbers"),
        ({"dense_1/weights": ["a"]}, "no array of numbers|must hold finite numbers"),
        (3, "initial must be a run"),
    ],
)
def test_what_cannot_be_started_from_is_refused(given, text):
    with pytest.raises(InvalidValue, match=text):
        train(NETWORK, initial=given)


def test_no_run_folder_and_no_gan(tmp_path):
    with pytest.raises(StorageError, match="not a run folder"):
        train(NETWORK, initial=tmp_path)
    with pytest.raises(InvalidValue, match="initial is a setting for"):
        train("wgan", initial=tmp_path)


PENALTIES = {
    "weight decay": {"optimizer": "adamw"},
    "l2": {"regularizer": {"name": "l2", "strength": 0.1}},
    "l1": {"regularizer": {"name": "l1", "strength": 0.1}},
}


@pytest.mark.parametrize("settings", PENALTIES.values(), ids=PENALTIES)
def test_frozen_layers_are_unchanged_to_the_bit(source, settings):
    run = train(HEAD, initial=source, freeze=["dense_1", "batch*"], **settings)
    for layer in ("dense_1", "batch_norm_1"):
        same({layer: run.weights[layer]}, {layer: source.weights[layer]})
    assert (run.weights["dense_3"]["biases"] != 0).any()
    assert run.network.names == HEAD.names
    assert [isinstance(layer, Frozen) for layer in run.network.layers] == [
        True,
        True,
        False,
        False,
        False,
        False,
        False,
    ]
    again = train(run.network, initial=run, epochs=1)  # by the same names, frozen or not
    assert [text for text in again.notes.choices if "initialised" in text] == []


def test_a_frozen_batch_normalisation_predicts_while_the_others_train(source):
    frozen = train(NETWORK, initial=source, freeze=["dense*", "batch*"], epochs=0)
    x = jnp.asarray(IRIS.train.x[:8], jnp.float32)
    training = frozen.network.forward(frozen.params, frozen.layer_state, x, training=True)
    prediction = frozen.network.forward(frozen.params, frozen.layer_state, x)
    np.testing.assert_array_equal(training.outputs[-1], prediction.outputs[-1])


def test_patterns_that_match_nothing_are_refused():
    with pytest.raises(
        InvalidValue, match=r"freeze: 'conv\*' matches no layer with weights. Layers with weights: dense_1"
    ):
        train((4,), freeze="conv*")
    with pytest.raises(InvalidValue, match=r"learning_rate_multipliers: 'relu_1' matches no layer"):
        train((4,), learning_rate_multipliers={"relu_1": 0.5})
    with pytest.raises(InvalidValue, match=r"learning_rate_multipliers: 'dense_1' matches no layer"):
        train((4,), learning_rate_multipliers={"dense_1": 0.5}, freeze="dense_1")
    with pytest.raises(InvalidValue, match=r"learning_rate_multipliers\['\*'\] must be"):
        train((4,), learning_rate_multipliers={"*": -1.0})


SETTINGS = {"freeze": "dense_1", "learning_rate_multipliers": {"*": 0.5, "dense_3": 2.0}, "optimizer": "adam"}


def test_resuming_is_bit_for_bit_and_the_folder_keeps_the_starting_weights(source, tmp_path):
    whole = train(HEAD, initial=source, epochs=4, **SETTINGS)
    train(HEAD, initial=source, epochs=2, folder=tmp_path / "run", **SETTINGS)
    resumed = pel.resume(tmp_path / "run", epochs=4, progress=False)
    same(resumed.weights, whole.weights)
    repeated = plan_of(resumed.experiment, IRIS, tmp_path / "run")
    same(pel.Run.of(fit(begin(repeated), progress=False)).weights, whole.weights)
    kept = tmp_path / "run" / "initial.safetensors"
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(content)
    with pytest.raises(StorageError, match=r"starting weights in .* are not those of its experiment"):
        pel.load(tmp_path / "run")


def test_an_experiment_whose_starting_weights_are_gone_is_refused(source):
    experiment = settle(HEAD, IRIS, {"initial": source}).experiment
    same({"dense_1": of_folder(source.folder).arrays["dense_1"]}, {"dense_1": source.weights["dense_1"]})
    assert plan_of(experiment, IRIS).initial.sha256 == experiment.initial["sha256"]  # its run is still there
    with pytest.raises(InvalidValue, match="which are not given"):
        many([experiment], IRIS)


def test_the_doctor_starts_from_the_same_weights(source, tmp_path):
    run = train(HEAD, initial=source, folder=tmp_path / "run", **SETTINGS)
    loaded = pel.load(tmp_path / "run")
    first = begin(settle(HEAD, IRIS, {"initial": source, "epochs": 2, **SETTINGS})).training.state
    loaded.training = training_again(loaded)
    for one in (run, loaded):
        start = Facts(one).state_start
        for name, array in to_arrays({"p": first.params, "s": first.layer_state}).items():
            np.testing.assert_array_equal(array, to_arrays({"p": start.params, "s": start.layer_state})[name])


def test_many_trainings_start_from_their_weights(source):
    plans = [settle(HEAD, IRIS, {"initial": given, "epochs": 2}) for given in (source, source.weights)]
    plans.append(settle(HEAD, IRIS, {"epochs": 2}))
    records = many(
        [plan.experiment for plan in plans], IRIS, networks=[HEAD] * 3, initials=[plan.initial for plan in plans]
    )
    for plan, record in zip(plans, records, strict=True):
        alone = fit(begin(plan), progress=False)
        for layer, arrays in pel.Run.of(alone).weights.items():
            for name, array in arrays.items():
                np.testing.assert_allclose(record.weights[layer][name], array, rtol=1e-5, atol=1e-6)


PEERS = {
    "momentum": (Momentum(0.05, average=False), lambda groups: torch.optim.SGD(groups, momentum=0.9)),
    "adam": (pel.Adam(0.05), torch.optim.Adam),
    "adamw": (pel.AdamW(0.05), lambda groups: torch.optim.AdamW(groups, weight_decay=0.01)),
}


@pytest.mark.parametrize(("optimizer", "peer"), PEERS.values(), ids=PEERS)
def test_learning_rates_by_layer_are_those_of_parameter_groups(optimizer, peer):
    random = np.random.default_rng(0)
    x = random.normal(size=(32, 5)).astype(np.float32)
    y = (x @ random.normal(size=(5, 1))).astype(np.float32)
    data = pel.make_dataset(x, y, held_out=None, task="regression", preprocessing="none")
    network = pel.Network(pel.Dense(6, "tanh"), pel.Dense(1))
    settings = {"scale_targets": "none", "batch_size": 32, "optimizer": optimizer}
    start = train(network, data, epochs=0, **settings)
    run = train(network, data, epochs=20, learning_rate_multipliers={"dense_1": 0.25}, **settings)
    model = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1))
    maps = {"dense_1": model[0], "dense_2": model[2]}
    for name, linear in maps.items():
        linear.weight.data = torch.tensor(start.weights[name]["weights"].T.copy())
        linear.bias.data = torch.tensor(start.weights[name]["biases"])
    rates = {"dense_1": 0.05 * 0.25, "dense_2": 0.05}
    steps = peer([{"params": linear.parameters(), "lr": rates[name]} for name, linear in maps.items()])
    for _ in range(20):
        steps.zero_grad()
        ((model(torch.tensor(x)) - torch.tensor(y)) ** 2).mean().backward()
        steps.step()
    for name, linear in maps.items():
        np.testing.assert_allclose(run.weights[name]["weights"], linear.weight.detach().T, atol=2e-6)
        np.testing.assert_allclose(run.weights[name]["biases"], linear.bias.detach(), atol=2e-6)


def test_the_explained_update_obeys_the_factor_of_its_layer(source):
    penalty = {"name": "l1", "strength": 0.1}
    run = train(
        NETWORK, initial=source, optimizer="sgd", regularizer=penalty, learning_rate_multipliers={"dense_2": 0.1}
    )
    plain = train(NETWORK, initial=run, optimizer="sgd", regularizer=penalty, epochs=0)
    slow = train(
        NETWORK, initial=run, optimizer="sgd", regularizer=penalty, epochs=0, learning_rate_multipliers={"dense_2": 0.1}
    )
    update, slower = (
        one.explain(IRIS.held_out.x[0], "setosa", weight="dense_2:0,0").chosen.update for one in (plain, slow)
    )
    np.testing.assert_allclose(slower.after - slower.before, 0.1 * (update.after - update.before), rtol=1e-6)
    np.testing.assert_allclose(slower.lines[-1].value, slower.after, rtol=1e-9)


def test_training_more_is_a_warm_start_with_the_runs_own_scalings():
    random = np.random.default_rng(1)
    x = random.normal(5, 3, size=(80, 3))
    y = 100 * x @ [1.0, 2.0, 3.0] + 1000
    run = pel.train((8,), (x, y), epochs=30, progress=False)
    same(run.train_more(epochs=0, progress=False).weights, run.weights)
    longer = run.train_more(epochs=30, progress=False)
    assert longer.result["loss"] < run.result["loss"]
    others = run.train_more((x[:10] + 100, y[:10]), epochs=0, progress=False)
    np.testing.assert_array_equal(others.facts.preprocessing.shift, run.facts.preprocessing.shift)
    np.testing.assert_array_equal(others.facts.target_preprocessing.shift, run.facts.target_preprocessing.shift)
    np.testing.assert_array_equal(others.predict(x), run.predict(x))


def test_training_more_keeps_the_classes_of_the_run(source, tmp_path):
    x, y = IRIS.train.x[IRIS.train.y < 2], IRIS.train.y[IRIS.train.y < 2]
    named = np.array(IRIS.classes)[y]
    for target in (y, named):
        run = source.train_more(
            (x, target), epochs=1, freeze="dense_*", folder=tmp_path / str(target[0]), progress=False
        )
        assert run.facts.classes == IRIS.classes
        assert isinstance(run.network.layers[0], Frozen)
    again = pel.load(run.folder).train_more((x, y), epochs=1, progress=False)
    assert isinstance(again.network.layers[0], Frozen)
    assert not isinstance(run.train_more((x, y), epochs=1, freeze=(), progress=False).network.layers[0], Frozen)
    with pytest.raises(InvalidValue, match=r"for input shape \(4,\). Received: \(13,\)"):
        source.train_more(pel.load_dataset("wine"))


def test_a_schedule_that_ends_runs_over_the_new_epochs():
    run = train((4,), epochs=3, schedule="cosine_decay:epochs=3" and {"name": "cosine_decay", "epochs": 3})
    assert run.train_more(epochs=7, progress=False).experiment.optimizer["learning_rate"]["epochs"] == 7


def test_comparing_and_cross_validating_start_from_the_weights(source):
    comparison = pel.compare(
        IRIS, {"freeze": ["dense_1", ()]}, network=HEAD, initial=source, seeds=1, epochs=1, progress=False
    )
    assert comparison.values().shape == (2, 1)
    validated = pel.cross_validate(HEAD, IRIS, folds=2, epochs=0, initial=source, progress=False)
    for run in validated.runs:
        same({"dense_1": run.weights["dense_1"]}, {"dense_1": source.weights["dense_1"]})


def test_settings_are_described_as_they_were_given(source):
    experiment = settle(HEAD, IRIS, {"initial": source, **SETTINGS}).experiment
    assert experiment.initial["from"] == str(source.folder)
    assert experiment.learning_rate_multipliers == SETTINGS["learning_rate_multipliers"]
    assert msgspec.to_builtins(experiment)["network"][0] == {"name": "frozen", "layer": {"name": "dense", "units": 8}}
