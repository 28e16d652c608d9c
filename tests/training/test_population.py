"""Many trainings as one program: each as if it had been alone."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import InvalidValue, TrainingDiverged
from pellucid.data import Preprocessing
from pellucid.functions.schedules import CosineDecay
from pellucid.runs.experiment import vary
from pellucid.runs.fit import begin, fit
from pellucid.runs.many import many
from pellucid.runs.plan import plan_of, settle
from pellucid.runs.ready import make_ready
from pellucid.training import population as stacks
from pellucid.training import program
from pellucid.training.population import Inputs, Population, advance_together

IRIS = pel.load_dataset("iris")


def experiment(**settings):
    network = settings.pop("network", (8,))
    settings = {"epochs": 3, "batch_size": 32, "record_every": 5} | settings
    return settle(network, IRIS, settings).experiment


def alone(settings):
    return fit(begin(plan_of(settings, IRIS)), progress=False)


def check_same(found, expected):
    """Every number of the state and the history; what is NaN in one is NaN in the other."""
    assert found.stopped == expected.stopped
    trees = [(run.params, run.layer_state, run.training.state.optimizer) for run in (found, expected)]
    for a, b in zip(*map(jax.tree.leaves, trees), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for name, table in expected.history.tables.items():
        for column, values in table.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(
                    found.history.tables[name][column], values, rtol=2e-3, atol=1e-5, err_msg=column
                )
    assert found.result == pytest.approx(expected.result, rel=1e-4)
    assert found.training.history.steps_made == int(found.training.state.step)


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (
            {"optimizer": pel.optimizers.Momentum(0.05), "regularizer": {"name": "elastic_net", "l1": 1e-3}},
            [
                {"optimizer.learning_rate": 0.2, "optimizer.momentum": 0.5},
                {"regularizer.l1": 0.02, "network.0.weights": "glorot_normal"},
            ],
        ),
        (
            {
                "optimizer": pel.SGD(CosineDecay(0.1, epochs=3)),
                "network": pel.Network(pel.Dense(6), pel.BatchNorm(), pel.Dropout(0.3), pel.Dense(3, "softmax")),
                "class_weights": {"setosa": 2.0},
                "histograms_every": 10,
            },
            [{"optimizer.learning_rate.learning_rate": 0.01}],
        ),
    ],
    ids=["rates, penalties, initialisers", "schedules and layer state"],
)
def test_members_are_as_if_alone(settings, changes):
    base = experiment(**settings)
    given = [base, *(vary(base, {**change, "seed": i}) for i, change in enumerate(changes))]
    before = advance_together._cache_size()
    for settings, run in zip(given, many(given, IRIS), strict=True):
        check_same(run, alone(settings))
        assert run.experiment == settings
    assert advance_together._cache_size() == before + 1


def test_what_cannot_share_a_program_keeps_its_place():
    base = experiment(optimizer="sgd", record_every=0)
    plateau = {"name": "on_plateau", "learning_rate": 0.05, "patience": 1, "factor": 0.1}
    changes = (
        {"epochs": 2},
        {"early_stopping": 1, "epochs": 8, "optimizer.learning_rate": 1.0},
        {"seed": 1},
        {"optimizer.learning_rate": plateau},
        {},
    )
    given = [vary(base, change) for change in changes]
    for settings, run in zip(given, many(given, IRIS), strict=True):
        check_same(run, alone(settings))


SHIFTED = replace(
    IRIS,
    train=replace(IRIS.train, x=IRIS.train.x[::-1] + 1),
    preprocessing=Preprocessing(np.full(4, 3.0), np.full(4, 0.5)),
)


def test_members_with_rows_of_their_own_share_a_program():
    pairs = [(SHIFTED if i == 2 else IRIS, experiment(seed=i % 2, record_every=0)) for i in range(4)]
    before = advance_together._cache_size()
    runs = many([settings for _, settings in pairs], [data for data, _ in pairs])
    assert advance_together._cache_size() == before + 1
    for (data, settings), run in zip(pairs, runs, strict=True):
        check_same(run, fit(begin(plan_of(settings, data)), progress=False))
        assert run.data is data


def test_rows_too_many_to_be_copied_are_shared_by_those_that_can(monkeypatch):
    monkeypatch.setattr("pellucid.runs.many.COPIES_BYTES", 0)
    pairs = [(SHIFTED if i == 2 else IRIS, experiment(seed=i, record_every=0)) for i in range(4)]
    for (data, settings), run in zip(
        pairs, many([settings for _, settings in pairs], [data for data, _ in pairs]), strict=True
    ):
        check_same(run, fit(begin(plan_of(settings, data)), progress=False))


def test_larger_networks_one_after_another(monkeypatch):
    monkeypatch.setattr("pellucid.runs.many.PRODUCTS", 0)
    base = experiment(optimizer="sgd", record_every=0)
    given = [vary(base, {"seed": seed, "network.0.weights": "lecun_normal"}) for seed in range(3)]
    before = advance_together._cache_size()
    for settings, run in zip(given, many(given, IRIS), strict=True):
        check_same(run, alone(settings))
    assert advance_together._cache_size() == before


@pytest.mark.parametrize("products", [0, 10**9], ids=["one after another", "side by side"])
def test_a_member_that_diverges_ends_before_its_bad_step_and_harms_no_other(products, monkeypatch):
    monkeypatch.setattr("pellucid.runs.many.PRODUCTS", products)
    base = experiment(optimizer=pel.SGD(0.1), epochs=20, record_every=0)
    given = [vary(base, {"optimizer.learning_rate": rate}) for rate in (0.1, 2e4, 0.2)]
    good, bad, other = many(given, IRIS)
    check_same(good, alone(given[0]))
    check_same(other, alone(given[2]))

    expected = begin(plan_of(given[1], IRIS)).training
    with pytest.raises(TrainingDiverged):
        list(expected.run(20))
    assert bad.stopped == "diverged"
    assert 0 < bad.history.steps_made == expected.history.steps_made == int(bad.training.state.step)
    assert np.isfinite(bad.history.step_rows).all()
    for a, b in zip(*(jax.tree.leaves(state.params) for state in (bad.training.state, expected.state)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3)
    np.testing.assert_allclose(bad.history.step_rows, expected.history.step_rows, rtol=1e-3)


@pytest.mark.parametrize("datasets", [[IRIS], [IRIS, SHIFTED, IRIS, IRIS, SHIFTED]], ids=["shared rows", "own rows"])
def test_losers_are_dropped_and_the_rest_go_on(datasets):
    base = experiment(epochs=6, optimizer="sgd", record_every=0)
    given = [vary(base, {"seed": seed}) for seed in range(5)]
    readies = [make_ready(settings, datasets[i % len(datasets)]) for i, settings in enumerate(given)]
    states = [
        jax.tree.map(np.asarray, state._replace(key=jax.random.key_data(state.key)))
        for state in (ready.initial_state(settings.seed) for ready, settings in zip(readies, given, strict=True))
    ]
    inputs = [Inputs(ready.scaling, ready.train, ready.monitor) for ready in readies[: len(datasets)]]
    population = Population(readies[0].program, inputs, states)
    assert sum(population.run(2)) == 2 * 4
    population.keep([4, 1])
    list(population.run(6))
    for i, state, history in zip((4, 1), population.states, population.histories, strict=True):
        expected = fit(begin(plan_of(given[i], datasets[i % len(datasets)])), progress=False)
        np.testing.assert_allclose(history.held_out, expected.history.held_out, rtol=1e-4)
        np.testing.assert_allclose(state.params[0]["weights"], expected.params[0]["weights"], rtol=1e-4, atol=1e-6)


def test_stacks_share_the_cores_and_stay_within_memory(monkeypatch):
    ready = make_ready(experiment(), IRIS)
    state = ready.initial_state(0)
    state = state._replace(key=jax.random.key_data(state.key))
    monkeypatch.setattr(stacks, "threads", lambda: 2)
    sizes = [stacks.stack_size(members, state) for members in (1, 2, 5, 64, 65, 100)]
    assert sizes == [1, 1, 3, 32, 17, 25]
    monkeypatch.setattr(stacks, "STACK_BYTES", 1)
    assert stacks.stack_size(64, state) == 1


def test_datasets_must_be_as_many_as_experiments():
    with pytest.raises(InvalidValue, match="2 experiments need as many datasets"):
        many([experiment()] * 2, [IRIS])
    with pytest.raises(InvalidValue, match="seed must be a whole number"):
        many([vary(experiment(), {"seed": -1})], IRIS)


@pytest.mark.skipif(not program.maps_in_use(), reason="needs /proc/self/maps")
def test_programs_done_with_are_let_go_and_kept_until_then(monkeypatch):
    """A process with many trainings of different structure never has more memory maps than of a few."""
    before = program.maps_in_use()
    many([experiment(network=(3,))], IRIS)
    one = program.maps_in_use() - before
    held = advance_together._cache_size()
    many([experiment(network=(3,), seed=1)], IRIS)
    assert advance_together._cache_size() == held
    monkeypatch.setattr(program, "MAPS", before + one // 2)
    for width in (4, 5):
        many([experiment(network=(width,))], IRIS)
    assert advance_together._cache_size() < 3
    assert program.maps_in_use() < before + 2.5 * one
