"""Whether the programs are what their rows say, over five paired seeds; what is found is kept in ``verified.json``."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from benchmarks.doctor_cases import Case, training_of
from benchmarks.doctor_cases.data import arrays_of
from benchmarks.doctor_programs.program import Program, changed
from pellucid.training.program import CAPACITY, advance

SEEDS = 5
KEPT = Path(__file__).with_name("verified.json")
VERIFIED: dict[str, dict[str, Any]] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
P, D = 0.05, 0.8
"""What a fix must pass: the paired test, and Cohen's d."""
ALIKE = 0.01
"""Repairs whose mean scores differ by less help alike: the first of the table is the primary one."""


def current(program: Program) -> dict[str, Any] | None:
    """What the verification of a program gave; None if it is of another version of it, or failed."""
    kept = VERIFIED.get(program.name)
    return kept if kept is not None and kept["digest"] == program.digest and kept["passed"] else None


def verify(program: Program, folder: Path) -> dict[str, Any]:
    """Train a program, and each of its repairs; ``folder`` holds the data."""
    found = _faulty(program, folder) if program.repairs else _healthy(program, folder)
    jax.clear_caches()
    return {"digest": program.digest} | found


def _faulty(program: Program, folder: Path) -> dict[str, Any]:
    plain = program.plain
    as_it_is = scores(plain, folder)
    whole = versus(as_it_is, scores(changed(plain, program.fixing()), folder))
    alone = {
        label: whole if change == program.fixing() else versus(as_it_is, scores(changed(plain, change), folder))
        for label, change in program.repairs.items()
    }
    holding = [label for label, one in alone.items() if passes(one)]
    needed = _needed(program, folder)
    best = max((alone[label]["fixed_mean"] for label in holding), default=0.0)
    primary = next((one for one in holding if alone[one]["fixed_mean"] >= best - ALIKE), None)
    return {
        "passed": passes(whole) and primary is not None,
        "primary": primary,
        "faults": [label for label in program.repairs if label in holding or label in needed],
        "fix": whole,
        "alone": alone,
        "needed": needed,
    }


def _needed(program: Program, folder: Path) -> dict[str, Any]:
    """Of a fix of several repairs, those without which it is worse: the fix without it against the whole."""
    labels, plain = program.fixed, program.plain
    if len(labels) < 2:
        return {}
    whole = scores(changed(plain, program.fixing()), folder)
    without = {label: scores(changed(plain, program.fixing(label)), folder) for label in labels}
    compared = {label: versus(fewer, whole) for label, fewer in without.items()}
    return {label: one for label, one in compared.items() if passes(one)}


def _healthy(program: Program, folder: Path) -> dict[str, Any]:
    assert program.reference is not None
    value, tolerance, by = program.reference
    reached = scores(program.plain, folder)
    longer = scores(changed(program.plain, {"epochs": 2 * program.epochs}), folder, seeds=2)
    worst = reached.min()
    near = bool(reached.mean() >= value - tolerance and worst >= value - 2 * tolerance)
    same = bool(abs(longer.mean() - reached.mean()) <= tolerance)
    return {
        "passed": near and same,
        "seeds": SEEDS,
        "mean": _round(reached.mean()),
        "std": _round(reached.std(ddof=1)),
        "worst": _round(worst),
        "reference": value,
        "tolerance": tolerance,
        "by": by,
        "twice_the_epochs": _round(longer.mean()),
        "near_reference": near,
        "no_gain_from_longer": same,
    }


def passes(one: dict[str, Any]) -> bool:
    """Whether a change helps."""
    return one["p"] < P and one["cohens_d"] >= D


def versus(faulty: np.ndarray, fixed: np.ndarray) -> dict[str, Any]:
    """Two arms over paired seeds, as the format of the cases has it."""
    gain = fixed - faulty
    pooled = float(np.sqrt((faulty.var(ddof=1) + fixed.var(ddof=1)) / 2))
    d = gain.mean() / pooled if pooled > 0 else 99.0 * np.sign(gain.mean())
    p = float(stats.ttest_rel(fixed, faulty).pvalue) if gain.std() > 0 else float(gain.mean() == 0)
    return {
        "seeds": len(faulty),
        "faulty_mean": _round(faulty.mean()),
        "faulty_std": _round(faulty.std(ddof=1)),
        "fixed_mean": _round(fixed.mean()),
        "fixed_std": _round(fixed.std(ddof=1)),
        "cohens_d": _round(np.clip(d, -99, 99), 3),
        "p": float(f"{p:.3g}"),
    }


def _round(number: Any, digits: int = 4) -> float:
    return round(float(number), digits)


def scores(plain: dict[str, Any], folder: Path, seeds: int = SEEDS) -> np.ndarray:
    """The held-out score of a program, a seed each."""
    return _scores(json.dumps(plain), folder, seeds)


@cache
def _scores(plain: str, folder: Path, seeds: int) -> np.ndarray:
    case = Case("", "", json.loads(plain), None, (), (), folder)
    return np.array([_score(case, seed) for seed in range(seeds)])


def _score(case: Case, seed: int) -> float:
    _, training = training_of(case, seed, recorded=False)
    program, state = training.program, training.state
    stop = case.program["epochs"] * training.steps_per_epoch
    sound = True
    # Not the training's own loop, which explains at length why one diverges.
    while sound and state.step < stop:
        end = min(int(state.step) + CAPACITY, stop)
        state, _ = advance(program, state, training.scaling, training.train, None, jnp.int32(end))
        sound = int(state.step) == end
    arrays = arrays_of(case)
    predict = _compiled(program.network)  # pyright: ignore[reportAttributeAccessIssue] (it is supervised)
    outputs = np.asarray(predict(state.params, state.layer_state, arrays["x_test"]))
    return measure(outputs, arrays["y_test"], case.program)


@cache
def _compiled(network: Any) -> Any:
    return jax.jit(lambda params, state, x: network.forward(params, state, x).outputs[-1])


def _decided(outputs: np.ndarray, plain: dict[str, Any]) -> np.ndarray:
    """The classes that outputs say."""
    if plain["task"] == "multilabel" or outputs.shape[-1] == 1:
        if plain["task"] == "multiclass":
            return np.round(outputs[:, 0])
        raw = "logits" in plain["loss"] or "hinge" in plain["loss"]
        middle = plain.get("threshold")
        decided = outputs > ((0.0 if raw else 0.5) if middle is None else middle)
        return decided if plain["task"] == "multilabel" else decided[:, 0]
    return outputs.argmax(-1)


def _variance_explained(outputs: np.ndarray, y: np.ndarray) -> float:
    outputs, y = outputs.reshape(len(y), -1).astype(float), y.reshape(len(y), -1).astype(float)
    with np.errstate(all="ignore"):
        explained = 1 - ((y - outputs) ** 2).sum() / ((y - y.mean(0)) ** 2).sum()
    return float(max(explained, 0.0)) if np.isfinite(explained) else 0.0


def measure(outputs: np.ndarray, y: np.ndarray, plain: dict[str, Any]) -> float:
    """The metric of a program."""
    metric = plain["metric"]
    if metric == "r2":
        return _variance_explained(outputs, y)
    decided = _decided(outputs, plain)
    if metric == "bit_accuracy":
        return float((decided == y.reshape(decided.shape)).mean())
    y = y.argmax(1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
    if metric == "balanced_accuracy":
        return float(np.mean([(decided[y == label] == label).mean() for label in np.unique(y)]))
    return float((decided == y).mean())
