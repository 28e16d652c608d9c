"""Before a training: a glance that compiles nothing, and a check with quick tests that every network should pass."""

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import DoctorWarning, TrainingDiverged
from pellucid.core.precision import in_its_precision
from pellucid.data import Dataset
from pellucid.doctor.diagnose import BEFORE, as_finding, evidence_of, subject_of, with_offers
from pellucid.doctor.facts import readable, some_rows
from pellucid.doctor.findings import Finding
from pellucid.doctor.losses import is_distance
from pellucid.doctor.records import RecordedSubject
from pellucid.doctor.rule import RULES, Kind
from pellucid.doctor.rules.inputs import COLUMNS, duplicated, without_spread
from pellucid.doctor.subject import Subject
from pellucid.network import backpropagate
from pellucid.optimizers import Adam
from pellucid.report import html
from pellucid.report.doctor import findings_section
from pellucid.report.document import Document
from pellucid.report.document import facts as measured
from pellucid.runs.fit import begin
from pellucid.runs.plan import Plan, settle
from pellucid.runs.trained import Trained
from pellucid.training import History, Recorder, Rows, Training

SURE = 0.9
"""From this strength a finding before training is a problem: only a certain fault should stop a pipeline."""
GLANCE: tuple[Kind, ...] = ("rows", "program")
"""Kinds of rules that take milliseconds."""
ROWS = 512
"""Most rows of a part that a glance reads, evenly spaced, so that sorted ones stay sorted."""
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

    def _repr_html_(self) -> str:
        found = findings_section([finding.to_dict() for finding in self.findings])
        return html.fragment(Document("Before the first step", measured(self.facts.items()), *found.blocks))

    def __str__(self) -> str:
        lines = [f"{name}: {value:.4g}" for name, value in self.facts.items()]
        return "\n".join([*lines, *(map(str, self.findings) if self.findings else ["nothing found"])])


def check(network: Any, data: Any, **settings: Any) -> Checkup:
    """Look at a training before its first step.

    Beside the findings it compares the first loss with that of a network that guesses and the backward pass with a
    finite difference, and measures whether the network can learn one small batch by heart.

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


@in_its_precision
def check_plan(planned: Plan) -> Checkup:
    """The check of a training that is settled."""
    run = begin(planned)
    subject = subject_of(run)
    findings = _before(subject, BEFORE)
    if not readable(run):
        return Checkup(tuple(findings), {})
    with np.errstate(all="ignore"):
        return Checkup(tuple(findings), _facts(subject, planned.data))


@in_its_precision
def glance(run: Trained) -> list[Finding]:
    """What is certainly wrong with a training that has made no step yet, and what makes its result worthless.

    Nothing is compiled that the training would not compile too, and of many rows some are read.

    Args:
        run: the training at its beginning, as a run.

    Returns:
        Findings, likeliest first: of severity ``"problem"``, and ``"warning"`` of what keeps no network from learning,
        but has to be known before the result is believed.
    """
    if run.adversarial or run.facts.task == "translation":  # no rule knows them before they are trained
        return []
    training: Any = run.training
    if not readable(run):
        recorded = RecordedSubject(run)
        recorded.e.state_start = training.state
        return _before(recorded, ("program",), unsure=False)

    def some(rows: Rows | None) -> Rows | None:
        if rows is None or rows.rows <= ROWS:
            return rows
        return some_rows(rows, np.linspace(0, rows.rows - 1, ROWS).astype(int))

    few = replace(training, train=some(training.train), monitor=some(training.monitor))
    subject = Subject(replace(run, training=few), with_trials=False)
    subject.e.state_start = training.state
    return _before(subject, GLANCE, unsure=False)


def warn_of_problems(run: Trained) -> list[str]:
    """Warn of each finding of a glance; the training continues.

    Returns:
        The findings in words.
    """
    lines = []
    for finding in glance(run):
        remedies = f" May help: {', '.join(finding.remedies)}." if finding.remedies else ""
        lines.append(f"{finding.line}.{remedies}")
        text = f"{lines[-1]} pellucid.check(network, data) says more."
        warnings.warn(text, DoctorWarning, stacklevel=3)  # the caller of train
    return lines


def _before(subject: Subject, kinds: tuple[Kind, ...], unsure: bool = True) -> list[Finding]:
    with np.errstate(all="ignore"):
        evidence = evidence_of(subject, [rule for rule in RULES if rule.kind in kinds])
    certain = {name: found.holds_back and found.strength >= SURE for name, found in evidence.items()}
    told = [name for name, found in evidence.items() if unsure or certain[name] or not found.holds_back]
    names = sorted(told, key=lambda name: -evidence[name].strength)
    findings = [as_finding(name, evidence[name], "problem" if certain[name] else "warning") for name in names]
    return with_offers(findings, subject.run)


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
    """The loss of a network that knows nothing: of even chances (ln C of C classes), of 0 for numbers; None if unknown.

    A first loss far above it speaks of weights or inputs that are too large.
    """
    loss = s.e.loss
    if s.e.reads in ("probabilities", "logits") and not loss.of_sequences:
        chance = 0.0 if s.e.reads == "logits" else 1 / (2 if loss.target_kind == "numbers" else s.e.outputs)
        even = jnp.full((len(s.e.y), *s.e.output_shape), chance, jnp.float32)
        return float(np.mean(loss.value(even, jnp.asarray(s.e.y))))
    if is_distance(loss) and s.e.task == "regression":
        return float(np.mean(loss.value(jnp.zeros(s.e.y.shape, jnp.float32), jnp.asarray(s.e.y))))
    return None


def gradient_error(s: Subject) -> float:
    """The length of the gradient against the difference of the loss along it, relative.

    Formula:
        |‖g‖ − (L(w + h ĝ) − L(w − h ĝ)) / 2h| / ‖g‖, ĝ = g / ‖g‖, h so small that L moves by about a hundredth

    In single precision a few hundredths are rounding, or a kink of the activations in between.
    """
    e = s.e
    rows = e.probe[:64]
    x, y, ones = jnp.asarray(e.x[rows]), jnp.asarray(e.y[rows]), jnp.ones(len(rows), e.network.dtype)
    # In the precision of the weights: what bfloat16 rounds away is no error of the backward pass.
    network = e.network.in_precision(e.network.dtype.name)
    state, key = e.state_start.layer_state, jax.random.key(0)

    @jax.jit
    def passed(params: Any) -> Any:
        return backpropagate(network, e.loss, params, state, x, y, ones, key=key)

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
