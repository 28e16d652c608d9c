"""The check before a training: certain faults of program and rows, and quick tests that every network should pass."""

import math
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import TrainingDiverged
from pellucid.data import Dataset
from pellucid.doctor.before import BEFORE
from pellucid.doctor.diagnose import with_offers
from pellucid.doctor.examination import DISTANCES, LOGITS, PROBABILITIES
from pellucid.doctor.findings import Finding
from pellucid.doctor.rows import COLUMNS, duplicated, without_spread
from pellucid.doctor.rule import Evidence, Rule, Subject
from pellucid.network import backpropagate
from pellucid.optimizers import Adam
from pellucid.runs.fit import begin
from pellucid.runs.plan import Plan, settle
from pellucid.training import History, Recorder, Training

CERTAIN = 0.9
"""From this probability on a finding before training is a problem: only a certain fault should stop a pipeline."""
BATCH = 16
"""Rows of the batch to be learnt by heart."""


@dataclass(frozen=True)
class Checkup:
    """What a check found.

    Args:
        findings: likeliest first.
        facts: what was measured, by name.
    """

    findings: tuple[Finding, ...]
    facts: dict[str, float]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that should stop the training."""
        return tuple(finding for finding in self.findings if finding.severity == "problem")

    def __str__(self) -> str:
        lines = [f"{name}: {value:.4g}" for name, value in self.facts.items()]
        return "\n".join([*lines, *(map(str, self.findings) if self.findings else ["nothing found"])])


def check(network: Any, data: Any, **settings: Any) -> Checkup:
    """Look at a training before its first step.

    Beside the findings it measures the first loss against that of a network that guesses, the backward pass against
    a finite difference, and whether the network can learn one small batch by heart.

    Args:
        network: as for `pellucid.train`.
        data: as for `pellucid.train`.
        settings: loss, optimizer, batch_size …, as for `pellucid.train`.

    Raises:
        PellucidError: whatever `pellucid.train` refuses.

    Example:
        >>> from pellucid.data import load_dataset
        >>> from pellucid.functions.initializers import Constant
        >>> from pellucid.layers import Dense
        >>> from pellucid.network import Network
        >>> network = Network(Dense(8, "tanh", weights=Constant(0.1)), Dense(3, "softmax"))
        >>> [finding.label for finding in check(network, load_dataset("iris")).problems]
        ['constant_init']
    """
    return check_plan(settle(network, data, settings))


def check_plan(planned: Plan) -> Checkup:
    """The check of a training that is settled."""
    run = begin(planned)
    run = replace(run, params=run.params, data=run.data)
    subject = Subject(run)
    with np.errstate(all="ignore"):
        findings = [_finding(rule, found) for rule in BEFORE if (found := rule.find(subject)) is not None]
        facts = _facts(subject, planned.data)
    findings = with_offers(findings, run)
    return Checkup(tuple(sorted(findings, key=lambda finding: -finding.probability)), facts)


def _finding(rule: Rule, found: Evidence) -> Finding:
    certain = found.holds_back and found.probability >= CERTAIN
    return rule.finding(found, "problem" if certain else "warning")


def _facts(s: Subject, data: Dataset) -> dict[str, float]:
    facts = {"first loss": s.e.start.loss}
    expected = guessing_loss(s)
    if expected is not None:
        facts["loss of guessing"] = expected
    facts["error of the backward pass"] = gradient_error(s)
    facts["skill on one batch learnt by heart"] = by_heart(s)
    if s.e.x.ndim == 2 and s.e.x.shape[1] <= COLUMNS:
        constant = without_spread(s.e.finite)
        facts["constant columns"] = int(constant.sum())
        facts["columns that are copies of others"] = duplicated(s.e.finite[:, ~constant])
    size = receptive_size(s)
    if size:
        facts["inputs that the last convolution sees, in a row"] = size
    return facts


def guessing_loss(s: Subject) -> float | None:
    """The loss of a network that knows nothing: ln C of C classes, the mean square of the targets; None where unknown.

    A first loss far above it speaks of weights or inputs that are too large.
    """
    name, outputs = s.e.loss.name, s.e.outputs
    if name in PROBABILITIES + LOGITS:
        binary = "binary" in name
        return math.log(2) if binary else math.log(outputs)
    if name in DISTANCES and s.e.task == "regression":
        y = s.e.y.astype(np.float64)
        return float((y**2).mean() if name == "mean_squared_error" else np.abs(y).mean())
    return None


def gradient_error(s: Subject) -> float:
    """The length of the gradient against the difference of the loss along it, relative.

    Formula:
        |‖g‖ − (L(w + h ĝ) − L(w − h ĝ)) / 2h| / ‖g‖, ĝ = g / ‖g‖, h so small that L moves by about a hundredth

    In single precision a few hundredths are rounding, or a kink of the activations in between.
    """
    e = s.e
    rows = e.probe[:64]
    x, y, ones = jnp.asarray(e.x[rows]), jnp.asarray(e.y[rows]), jnp.ones(len(rows), jnp.float32)
    state, key = e.state_start.layer_state, jax.random.key(0)

    @jax.jit
    def passed(params: Any) -> Any:
        return backpropagate(e.network, e.loss, params, state, x, y, ones, key=key)

    here = passed(e.params_start)
    length = math.sqrt(sum(float((g**2).sum()) for g in jax.tree.leaves(here.grads)))
    if not length or not math.isfinite(length):
        return 0.0 if not length else math.inf
    step = 0.01 * max(abs(float(here.loss)), 1e-3) / length

    def loss(way: float) -> float:
        moved = jax.tree.map(lambda w, g: w + way * step / length * g, e.params_start, here.grads)
        return float(passed(moved).loss)

    return abs(length - (loss(1.0) - loss(-1.0)) / (2 * step)) / length


def by_heart(s: Subject) -> float:
    """Skill on one small batch after 300 steps of Adam on it alone: 1 where the network can learn at all."""
    e = s.e
    batch = e.probe[:BATCH]
    if not np.isfinite(e.x[batch]).all():
        return 0.0
    rows = e.sample[batch]
    train = jax.tree.map(lambda array: jnp.asarray(np.asarray(array)[rows]), e.training.train)
    optimizer = Adam(0.01)
    program = replace(e.run.program, batch_size=len(rows), recorder=Recorder(0))
    state = e.state_start._replace(optimizer=optimizer.init(e.params_start), regularizer=None, recorder=None)
    training = Training(program, e.training.scaling, train, None, optimizer, state, History.begin(program, len(rows)))
    try:
        for _ in training.run(300):
            pass
    except TrainingDiverged:
        return 0.0
    run = replace(e.run, params=training.params, layer_state=training.layer_state)
    outputs = Subject(run).e.predict(np.asarray(train.x))
    return e.skill(outputs, e.y[batch])


def receptive_size(s: Subject) -> int:
    """How many inputs in a row, along the first axis, one output of the last convolution or pooling depends on.

    Formula:
        r = 1 + Σ_l (k_l − 1) Π_{m<l} s_m
    """
    size, jump = 1, 1
    for layer in s.e.network.layers:
        kernel = getattr(layer, "kernel", getattr(layer, "size", None))
        if kernel is None:
            continue
        stride = getattr(layer, "stride", None)
        kernel = kernel[0] if isinstance(kernel, (tuple, list)) else kernel
        stride = kernel if stride is None else stride[0] if isinstance(stride, (tuple, list)) else stride
        size += (kernel - 1) * jump
        jump *= stride
    return size if jump > 1 or size > 1 else 0
