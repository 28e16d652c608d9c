"""The programs that judge the doctor are verified as they stand, well-formed, and split in two halves."""

import json
from collections import Counter

import numpy as np
import pytest
from benchmarks.doctor_cases import dataset_of, loss_of, network_of, optimizer_of, read_cases
from benchmarks.doctor_programs import FAULTY, HEALTHY, PROGRAMS, current, verify, write
from benchmarks.doctor_programs.program import changed
from benchmarks.doctor_programs.verify import VERIFIED, measure, passes, versus
from benchmarks.doctor_programs.write import LABELS
from click.testing import CliRunner

BY_NAME = {program.name: program for program in PROGRAMS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All of them, written."""
    folder = tmp_path_factory.mktemp("programs")
    write(PROGRAMS, folder)
    return folder


def test_there_are_enough_and_half_is_aside():
    assert len(BY_NAME) == len(PROGRAMS)
    assert len(FAULTY) >= 50
    assert len(HEALTHY) >= 30
    for some in (FAULTY, HEALTHY):
        assert 0.35 <= np.mean([program.aside for program in some]) <= 0.65


def test_the_faults_are_of_many_kinds_and_often_several():
    primary = Counter(VERIFIED[program.name]["primary"] for program in FAULTY)
    assert len(primary) >= 25
    assert max(primary.values()) <= len(FAULTY) / 5
    assert sum(len(VERIFIED[program.name]["faults"]) > 1 for program in FAULTY) >= 20
    assert {label for program in FAULTY for label in program.repairs} <= set(LABELS)


@pytest.mark.parametrize("name", BY_NAME)
def test_verified_as_it_stands(name):
    program, found = BY_NAME[name], current(BY_NAME[name])
    assert found is not None
    if program.reference is not None:
        assert not program.repairs
        assert found["near_reference"]
        assert found["no_gain_from_longer"]
        return
    assert passes(found["fix"])
    assert found["primary"] in found["faults"]
    assert set(found["faults"]) <= set(program.repairs)
    best = max(found["alone"][label]["fixed_mean"] for label in program.repairs if passes(found["alone"][label]))
    assert found["alone"][found["primary"]]["fixed_mean"] >= best - 0.01


@pytest.mark.parametrize("name", BY_NAME)
def test_every_change_changes_the_program(name):
    program = BY_NAME[name]
    for change in program.repairs.values():
        after = changed(program.plain, change)
        assert after != program.plain
        assert changed(after, change) == after
        network_of(after["network"])
        loss_of(after)
        optimizer_of(after["optimizer"])


def test_the_written_cases_are_read(folder):
    cases = {case.identity: case for case in read_cases(folder)}
    assert set(cases) == set(BY_NAME)
    vocabulary = json.loads((folder / "faults.json").read_text())["labels"]
    for name, case in cases.items():
        assert case.origin == ("real" if BY_NAME[name].repairs else "control")
        assert bool(case.faults) == bool(BY_NAME[name].repairs)
        assert set(case.faults) <= set(vocabulary)
        assert (case.primary or None) == (case.faults[0] if case.faults else None)
        data = dataset_of(case)
        assert data.name == "arrays"  # what the doctor sees tells neither the program's name nor the file's
        assert data.held_out is not None
        network = network_of(case.program["network"]).accepting(data.input_shape)
        assert network.layers
        loss_of(case.program)
        optimizer_of(case.program["optimizer"])


def test_a_fix_that_did_not_pass_is_not_among_the_fixes(folder):
    for program in FAULTY:
        case = json.loads((folder / f"{program.name}.json").read_text())
        assert case["fixes"]
        assert all(passes(fix["verified"]) for fix in case["fixes"])
        assert not any(passes(fix["verified"]) for fix in case["fixes_that_failed"])


def test_the_writer_writes_one_half(tmp_path):
    from benchmarks.doctor_programs.__main__ import main

    for part in ("looked", "aside"):
        made = CliRunner().invoke(main, [str(tmp_path / part), "--part", part], catch_exceptions=False)
        assert made.exit_code == 0
    halves = [{case.identity for case in read_cases(tmp_path / part)} for part in ("looked", "aside")]
    assert halves[0].isdisjoint(halves[1])
    assert halves[0] | halves[1] == set(BY_NAME)
    assert halves[1] == {program.name for program in PROGRAMS if program.aside}


@pytest.mark.parametrize(
    ("metric", "task", "loss", "outputs", "y", "right"),
    [
        ("accuracy", "binary", "binary_cross_entropy", [[0.6], [0.4], [0.4]], [1, 1, 0], 2 / 3),
        ("accuracy", "binary", "hinge", [[0.4], [-0.1], [0.2]], [1, 0, 0], 2 / 3),
        ("accuracy", "multiclass", "mean_squared_error", [[1.6], [0.2], [1.4]], [2, 0, 2], 2 / 3),
        ("accuracy", "multiclass", "categorical_cross_entropy", [[1, 2], [3, 1]], [1, 1], 1 / 2),
        ("accuracy", "multiclass", "categorical_cross_entropy", [[np.nan, 2], [np.nan, 1]], [1, 0], 1 / 2),
        ("balanced_accuracy", "binary", "binary_cross_entropy", [[0.6], [0.6], [0.6], [0.4]], [1, 1, 0, 0], 3 / 4),
        ("bit_accuracy", "multilabel", "binary_cross_entropy", [[0.6, 0.4], [0.4, 0.6]], [[1, 1], [0, 1]], 3 / 4),
        ("r2", "regression", "mean_squared_error", [[1.0], [2.0], [4.0]], [1, 2, 3], 1 / 2),
        ("r2", "regression", "mean_squared_error", [[np.nan], [2.0], [4.0]], [1, 2, 3], 0),
        ("r2", "regression", "mean_squared_error", [[9.0], [2.0], [4.0]], [1, 2, 3], 0),
    ],
)
def test_scores(metric, task, loss, outputs, y, right):
    plain = {"metric": metric, "task": task, "loss": loss}
    assert measure(np.array(outputs, np.float32), np.array(y, np.float32), plain) == pytest.approx(right)


def test_arms_are_compared_in_pairs():
    one = versus(np.array([0.5, 0.6, 0.7]), np.array([0.6, 0.71, 0.8]))
    assert passes(one)
    assert one["cohens_d"] == pytest.approx(1.033, abs=1e-3)
    assert versus(np.zeros(3), np.ones(3)) | {"p": 0} == versus(np.zeros(3), np.ones(3))
    assert not passes(versus(np.ones(3), np.ones(3)))
    assert not passes(versus(np.ones(3), np.zeros(3)))


def test_a_verification_can_be_repeated(folder):
    program = BY_NAME["plane-one-unit"]
    assert verify(program, folder)["mean"] == pytest.approx(VERIFIED[program.name]["mean"], abs=0.002)
