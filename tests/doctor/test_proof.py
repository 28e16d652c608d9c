"""Proofs: what helps is found and tested on fresh seeds, what does not is said."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import optax
import pytest
from pellucid.doctor.setup import Setup, train_all

import pellucid as pel
from pellucid.core.errors import DataError, DoctorWarning, InvalidValue
from pellucid.core.statistics import paired
from pellucid.doctor import Finding, repaired_settings
from pellucid.doctor.remedies import REMEDIES, candidates
from pellucid.doctor.rule import CAUSES
from pellucid.doctor.skill import skill
from pellucid.doctor.successive_halving import FRESH, SURE, Arm, Candidate, Field, Trained, race
from pellucid.functions.metrics import metrics
from pellucid.runs.experiment import Experiment
from pellucid.runs.fit import begin, fit
from pellucid.runs.folder import read_toml
from pellucid.runs.plan import plan_of

IRIS = pel.load_dataset("iris")


def _run(optimizer, network=(8,), epochs=15, **settings):
    return pel.train(network, IRIS, optimizer=optimizer, epochs=epochs, progress=False, **settings)


@pytest.fixture(scope="module")
def slow():
    return _run(pel.SGD(1e-4), epochs=40)


@pytest.mark.parametrize("name", sorted(REMEDIES))
def test_a_remedy_changes_the_training_and_leaves_the_truth_alone(slow, name):
    setup = Setup.of(slow)
    for candidate in candidates(name, setup):
        assert candidate.change
        assert candidate.setup is not setup
        assert candidate.setup.truth is setup.truth
        assert candidate.setup.task == "multiclass"


def test_the_remedies_of_the_vocabulary_that_are_made_are_known_by_these_names():
    named = {name for cause in CAUSES.values() for name in cause.remedies}
    assert set(REMEDIES) <= named


def test_a_training_that_crawls_is_repaired(slow, tmp_path):
    proof = pel.prove(slow, findings=[Finding("learning_rate_too_low", "problem", 0.9)], seeds=4, most=3, random=False)
    assert proof.best is not None
    assert proof.best.test.difference > 0.4
    fresh = range(FRESH, FRESH + 4)
    scores = [[arm.scores[seed] for seed in fresh] for arm in (proof.best, proof.original)]
    assert proof.best.test == paired(*scores)
    assert "PROVEN" in str(proof)

    path = tmp_path / "repaired.toml"
    path.write_text(repaired_settings(proof, slow.experiment))
    settings = Experiment.from_dict(read_toml(path))
    again = fit(begin(plan_of(settings, IRIS)), progress=False)
    assert again.result["accuracy"] > 0.75 > slow.result["accuracy"]


def test_what_trains_well_is_left_alone():
    healthy = _run(pel.Adam(0.02), network=(16,), epochs=40)
    proof = pel.prove(healthy, findings=[], seeds=3, most=1)
    assert proof.random is not None
    assert proof.best is None or proof.best.test.difference < 0.1
    if proof.best is None:
        assert "nothing tried beats the original" in str(proof)
        with pytest.raises(InvalidValue, match="nothing to apply"):
            repaired_settings(proof, healthy.experiment)


def test_two_faults_are_repaired_together():
    data = pel.make_dataset(IRIS.train.x * 1e-3, IRIS.train.y, task="multiclass", preprocessing="none")
    with pytest.warns(DoctorWarning, match="inputs scaled too small"):
        run = pel.train((8,), data, optimizer=pel.SGD(1e-4), epochs=40, progress=False)
    findings = [Finding("inputs_scaled_too_small", "problem", 0.6), Finding("learning_rate_too_low", "problem", 0.5)]
    proof = pel.prove(run, findings=findings, seeds=5, most=4, random=False)
    assert proof.best is not None
    assert proof.best.mean > 0.8
    assert proof.best.changes == 2


def test_side_by_side_is_one_after_another(slow):
    setup = Setup.of(slow)
    together = train_all([(setup, 3), (setup, 4)])
    for seed, (training, _) in zip((3, 4), together, strict=True):
        ((alone, _),) = train_all([(setup, seed)])
        np.testing.assert_allclose(alone.history.step_rows[:, 0], training.history.step_rows[:, 0], rtol=1e-4)


def test_what_does_not_fit_together_is_not_trained_and_harms_no_other(slow):
    setup = Setup.of(slow)
    wrong = replace(setup, program=replace(setup.program, metric=metrics.build("binary_accuracy")))
    nothing, made = train_all([(wrong, 0), (setup, 0)])
    assert nothing.training is None
    assert made.training.history.epochs_made == setup.epochs


def test_an_arm_beats_another_only_by_its_fresh_seeds():
    lucky = Arm(None, {0: 1.0, 1: 1.0, FRESH: 0.5, FRESH + 1: 0.5, FRESH + 2: 0.5})
    sound = Arm(None, {0: 0.0, 1: 0.0, FRESH: 0.9, FRESH + 1: 0.92, FRESH + 2: 0.91})
    assert sound.beats(lucky)
    assert not lucky.beats(sound)


def test_skill_is_zero_for_guessing_and_one_for_perfect():
    labels = np.array([0, 0, 0, 1])
    assert skill(np.zeros(4, int), labels) == 0
    assert skill(labels, labels) == 1
    numbers = np.array([[1.0], [2.0], [3.0]])
    assert skill(np.full((3, 1), 2.0), numbers) == 0
    assert skill(numbers, numbers) == 1


def test_a_proof_needs_held_out_targets_and_seeds(slow):
    with pytest.raises(InvalidValue, match="seeds"):
        pel.prove(slow, findings=[], seeds=2)
    alone = pel.make_dataset(IRIS.train.x, IRIS.train.y, task="multiclass", held_out=None)
    run = pel.train((4,), alone, epochs=1, progress=False)
    with pytest.raises(DataError, match="held-out"):
        pel.prove(run, findings=[])


class _Fake:
    """A training whose score is known."""

    epochs, steps = 1, 100

    def __init__(self, value):
        self.value = value

    def score(self, training, judge):
        return self.value


def _field(original, goal):
    ended = SimpleNamespace(history=SimpleNamespace(epochs_made=1, steps_made=100))
    return Field(_Fake(original), None, goal, lambda members: [Trained(ended, 0.0) for _ in members])


def _propose(singles, pairs=()):
    def propose(setup, held):
        values = pairs if held else singles
        return [Candidate(f"r{i}{len(held)}", f"{value}", _Fake(value)) for i, value in enumerate(values)]

    return propose


def test_a_race_ends_where_there_is_nothing_more_to_reach():
    field = _field(0.1, 0.9)
    first, second = race(field, _propose([0.2, 0.88, 0.1, 0.3, 0.9, 0.9]), (12, 6), 60)
    assert [arm.mean for arm in first] == pytest.approx([0.88, 0.3, 0.2, 0.1])
    assert second == []
    assert field.trainings == SURE + 1


def test_a_race_goes_on_with_changes_on_top_of_a_winner_that_leaves_something_to_reach():
    field = _field(0.1, 0.9)
    first, second = race(field, _propose([0.2, 0.5, 0.1, 0.3, 0.4], [0.3, 0.85]), (12, 6), 60)
    assert [arm.mean for arm in first] == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1])
    assert [arm.mean for arm in second] == pytest.approx([0.85, 0.3])
    assert second[0].candidate.remedy == "r10 + r11"
    assert second[0].changes == 2


def test_a_good_original_ends_no_race_and_slow_changes_come_last():
    field = _field(0.89, 0.9)
    slow = _Fake(0.95)
    slow.steps = 1000
    arms = [Candidate("slow", "slow", slow), *_propose([0.88] * 6)(None, ())]
    first, _ = race(field, lambda setup, held: [] if held else arms, (12, 6), 60)
    assert len(first) == 7
    assert list(first[0].scores) == [0, 1, 2]
    assert first[0].candidate.change == "slow"
    brief = race(_field(0.89, 0.9), lambda setup, held: [] if held else arms, (12, 6), 0.0)[0]
    assert len(brief) == SURE


def test_remedies_inside_the_network_leave_a_graph_alone():
    graph = SimpleNamespace(program=SimpleNamespace(network=None))
    inside = [name for name, make in REMEDIES.items() if make.__module__.endswith("remedies.network")]
    assert len(inside) > 10
    assert all(candidates(name, graph) == [] for name in inside)


def test_a_training_by_optax_is_examined_and_its_numbers_left_alone():
    """What stands inside the transformation is not changed, and the proof says so; everything else is tried."""
    run = _run(optax.sgd(1e-4), epochs=5)
    assert run.diagnose()
    setup = Setup.of(run)
    changes = [made.change for name in REMEDIES for made in candidates(name, setup)]
    assert "optimizer optax → adam, learning rate 0.01" in changes
    assert not [change for change in changes if change.startswith(("learning rate", "gradient clipped", "l1"))]
    weak = Finding("weak_optimizer", "problem", 0.9)
    proof = pel.prove(run, findings=[weak], seeds=3, most=2, random=False)
    assert "not tried: another learning rate" in str(proof)
    longer = candidates("more epochs", setup)[0]
    proven = Arm(longer, {FRESH: 1.0}, paired([1.0, 1.1, 1.2], [0.1, 0.2, 0.1]), p=0.0)
    with pytest.raises(InvalidValue, match=r"cannot hold the Optax optimizer.*epochs 5 → 20"):
        repaired_settings(replace(proof, tried=(proven,)), run.experiment)
