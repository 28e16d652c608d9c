"""The benchmarks run, compare what they say they compare, and every contender really learns."""

import importlib.util
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import contenders
from benchmarks.contenders import Task
from benchmarks.measure import Case, Unavailable, alternate, compare, fresh_process
from benchmarks.report import Result, case_table, read_results, render, write_results
from benchmarks.workload import Target, faster_than
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).parents[1]
DIGITS = Task("digits", (32,), 32)
BUILDS = {
    "pellucid": contenders.pellucid,
    "torch": partial(contenders.pytorch, threads=1),
    "sklearn": contenders.scikit_learn,
    "keras": contenders.keras,
    "flax": contenders.flax,
}


@pytest.fixture(scope="module")
def laboratory():
    """A process without the strict settings of the tests, which the peers' own code does not keep to."""
    with fresh_process() as process:
        yield process


def accuracy_after(build, epochs):
    contender = build(DIGITS)
    contender.train(epochs)
    x, y = DIGITS.arrays()
    return float(np.mean(contender.predict(x) == y))


@pytest.mark.parametrize("module", list(BUILDS))
def test_every_contender_learns(module, laboratory):
    """Same epochs, same rate: whoever skipped rows or steps would stay behind."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module}")
    accuracy = laboratory.submit(accuracy_after, BUILDS[module], 12).result()
    assert 0.94 < accuracy < 1


def test_the_ratio_is_taken_within_a_round():
    """A machine that slows down tenfold for a round changes no ratio."""
    case = Case("c", "ms", "a", {"a": [1.0, 10.0, 1.0], "b": [3.0, 30.0, 3.0]})
    assert case.ratio("b") == pytest.approx((3, 3, 3))
    assert case.spread("b").median == 3
    assert case.fastest("b", "a", "absent") == "a"
    assert case.fastest("absent") is None


def test_every_contender_runs_once_a_round_and_each_is_first_in_turn():
    calls = []
    runs = {name: lambda name=name: float(calls.append(name) is None) for name in "abc"}
    case = alternate(Case("c", "ms", "a"), runs, rounds=3)
    assert "".join(calls) == "abcbcacab"
    assert case.samples == {name: [1.0] * 3 for name in "abc"}


def work():
    return lambda: float(os.getpid())


def absent():
    return importlib.import_module("a_library_that_nobody_has").run


def unable() -> Any:
    raise Unavailable("no compiler")


def test_contenders_have_processes_of_their_own_and_the_unable_are_left_out_with_the_reason():
    case = compare(Case("c", "process", "a"), {"a": work, "b": work, "c": absent, "d": unable}, rounds=2)
    processes = {tuple(samples) for samples in case.samples.values()}
    assert len(processes) == 2
    assert all(first == second != os.getpid() for first, second in processes)
    assert case.skipped == {"c": "No module named 'a_library_that_nobody_has'", "d": "no compiler"}
    assert ["d", "not run: no compiler", "", "", ""] in case_table(case)[1]


def test_targets_are_held_against_the_fastest_peer():
    case = Case("c", "ms", "ours", {"ours": [1.0], "slow": [4.0], "fast": [2.0]})
    assert faster_than("c", "peers", "slow", "fast", times=2.0).judge([case]) == ("2", "met")
    assert faster_than("c", "peers", "slow", "fast", times=2.1).judge([case]) == ("2", "not met")
    assert faster_than("c", "peers", "absent", times=2.0).judge([case]) == ("", "not measured")
    cost = Target("c", "cost", lambda case: case.ratio("fast").median, 1.05, at_least=False)
    assert cost.judge([case]) == ("2", "not met")
    assert cost.judge([]) == ("", "not measured")


def test_results_survive_the_file_and_the_page_shows_all_workloads(tmp_path):
    case = Case("digits", "ms/step", "pellucid", {"pellucid": [1.0, 1.0], "PyTorch, one thread": [21.0, 23.0]})
    results = {"digits": Result([case], {"processor": "a processor"}, 2, quick=False)}
    write_results(tmp_path / "results.json", results)
    assert read_results(tmp_path / "results.json") == results
    page = render(results)
    assert "| PyTorch, one thread | 22 | 21.5 – 22.5 | 22.00 | 21.50 – 22.50 |" in page
    assert "| 22 | met |" in page
    assert page.count("Not run yet.") == len(WORKLOADS) - 1
    assert all(f"## {workload.title}\n" in page for workload in WORKLOADS.values())


def test_the_command_runs_a_workload(tmp_path):
    path = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", "shuffle", "--quick", "--output", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (case,) = json.loads(path.read_text())["shuffle"]["cases"]
    assert {len(samples) for samples in case["samples"].values()} == {2}
    assert min(min(samples) for samples in case["samples"].values()) > 0
    assert "Permuting 60,000 rows" in done.stdout
    assert "round 2 of 2" in done.stderr
