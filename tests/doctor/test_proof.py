"""Proofs: what helps is found and tested on fresh seeds, what does not is said."""

from dataclasses import replace

import numpy as np
import optax
import pytest

import pellucid as pel
from pellucid.core.errors import DataError, DoctorWarning, InvalidValue
from pellucid.core.statistics import paired
from pellucid.doctor import Finding, repaired_settings
from pellucid.doctor.prove import Trainer
from pellucid.doctor.remedies import REMEDIES, changes, plan_of_run
from pellucid.doctor.rule import CAUSES
from pellucid.doctor.skill import skill
from pellucid.doctor.successive_halving import FIRST, FRESH, Candidate, Change, Field, Trial, halve
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


@pytest.mark.parametrize("name", sorted(REMEDIES["supervised"]))
def test_a_remedy_changes_the_training_and_leaves_the_held_out_targets_alone(slow, name):
    plan = plan_of_run(slow)
    for change in changes([name], plan):
        assert change.text
        assert change.plan != plan
        np.testing.assert_array_equal(change.plan.data.held_out.y, plan.data.held_out.y)
        assert change.plan.data.task == "multiclass"


def test_the_remedies_that_are_made_are_named_by_causes():
    named = {name for cause in CAUSES.values() for name in cause.remedies}
    assert set(REMEDIES["supervised"]) <= named


def test_a_training_that_crawls_is_repaired(slow, tmp_path):
    proof = pel.prove(slow, findings=[Finding("learning_rate_too_low", "problem", 0.9)], seeds=4, most=3, random=False)
    assert proof.best is not None
    assert proof.best.test.difference > 0.4
    fresh = range(FRESH, FRESH + 4)
    scores = [[one.scores[seed] for seed in fresh] for one in (proof.best, proof.original)]
    assert proof.best.test == paired(*scores)
    assert "proven" in str(proof)

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
        assert "Nothing tried beats the original" in str(proof)
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


def test_the_original_is_trained_again_from_its_parts_as_by_its_settings(slow):
    """What no settings describe, such as faulty programs that ``train`` refuses, is made by its own program."""
    trainer = Trainer(slow, plan_of_run(slow), None)
    by_settings = trainer([(None, 3), (None, 4)])
    trainer.fits = False
    by_parts = trainer([(None, 3), (None, 4)])
    assert [trial.score for trial in by_parts] == pytest.approx([trial.score for trial in by_settings], abs=0.05)


def test_a_change_that_does_not_fit_is_not_tried(slow):
    plan = plan_of_run(slow)
    assert changes(["no such remedy"], plan) == []
    tokens = plan._replace(network=pel.Network(pel.Embedding(9, 4), pel.Flatten(), pel.Dense(3, "softmax")))
    assert changes(["standardise the inputs"], tokens) == []


def test_a_candidate_beats_another_only_by_its_fresh_seeds():
    lucky = Candidate(None, {0: 1.0, 1: 1.0, FRESH: 0.5, FRESH + 1: 0.5, FRESH + 2: 0.5})
    sound = Candidate(None, {0: 0.0, 1: 0.0, FRESH: 0.9, FRESH + 1: 0.92, FRESH + 2: 0.91})
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


def _field(original, goal, steps=lambda change: 100):
    def train_all(members):
        return [Trial(original if change is None else change.plan) for change, _ in members]

    return Field(train_all, steps, goal)


def _propose(singles, pairs=()):
    def propose(plan, held):
        return [Change(f"r{i}{len(held)}", f"{value}", value) for i, value in enumerate(pairs if held else singles)]

    return propose


def test_halving_ends_where_there_is_nothing_more_to_reach():
    field = _field(0.1, 0.9)
    first, second = halve(field, None, _propose([0.2, 0.88, 0.1, 0.3, 0.9, 0.9]), (12, 6), 60)
    assert [one.mean for one in first] == pytest.approx([0.88, 0.3, 0.2, 0.1])
    assert second == []
    assert field.trainings == FIRST + 1


def test_halving_continues_with_changes_on_top_of_one_that_leaves_something_to_reach():
    field = _field(0.1, 0.9)
    first, second = halve(field, None, _propose([0.2, 0.5, 0.1, 0.3, 0.4], [0.3, 0.85]), (12, 6), 60)
    assert [one.mean for one in first] == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1])
    assert [one.mean for one in second] == pytest.approx([0.85, 0.3])
    assert second[0].change.remedy == "r10 + r11"
    assert second[0].changes == 2


def test_a_good_original_ends_no_halving_and_slow_changes_come_last():
    def steps(change):
        return 1000 if change is not None and change.text == "slow" else 100

    every = [Change("slow", "slow", 0.95), *_propose([0.88] * 6)(None, ())]
    first, _ = halve(_field(0.89, 0.9, steps), None, lambda plan, held: [] if held else every, (12, 6), 60)
    assert len(first) == 7
    assert list(first[0].scores) == [0, 1, 2]
    assert first[0].text == "slow"
    brief = halve(_field(0.89, 0.9, steps), None, lambda plan, held: [] if held else every, (12, 6), 0.0)[0]
    assert len(brief) == FIRST


def test_a_training_by_optax_is_examined_and_its_numbers_left_alone():
    """What stands inside the transformation is not changed, and the proof says so; everything else is tried."""
    run = _run(optax.sgd(1e-4), epochs=5)
    assert run.diagnose()
    plan = plan_of_run(run)
    texts = [change.text for name in REMEDIES["supervised"] for change in changes([name], plan)]
    assert "optimizer optax → adam, learning rate 0.01" in texts
    assert not [text for text in texts if text.startswith(("learning rate", "gradient clipped", "l1"))]
    weak = Finding("weak_optimizer", "problem", 0.9)
    proof = pel.prove(run, findings=[weak], seeds=3, most=2, random=False)
    assert "not tried: another learning rate" in str(proof)
    longer = changes(["more epochs"], plan)[0]
    proven = Candidate(longer, {FRESH: 1.0}, paired([1.0, 1.1, 1.2], [0.1, 0.2, 0.1]), p=0.0)
    with pytest.raises(InvalidValue, match=r"cannot hold the Optax optimizer.*epochs 5 → 20"):
        repaired_settings(replace(proof, tried=(proven,), plan=plan), run.experiment)
