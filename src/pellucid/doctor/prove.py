"""Proof by experiment: the original and its remedies trained on the same seeds, scored on held-out rows.

Candidates go through successive halving; what is left is compared with the original on fresh seeds by a paired test.
As many changes chosen at random take the same way: a doctor that does no better has found nothing.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import jax
import msgspec
import numpy as np
import tomli_w

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import DataError, InvalidValue, TrainingDiverged
from pellucid.core.precision import in_its_precision
from pellucid.data import Dataset
from pellucid.data.stream import refuse_stream
from pellucid.data.targets import UNTARGETED
from pellucid.doctor.adversarial import coverage_of
from pellucid.doctor.baselines import Baselines
from pellucid.doctor.diagnose import diagnose, with_rows
from pellucid.doctor.facts import filled, readable
from pellucid.doctor.findings import Finding
from pellucid.doctor.losses import threshold_of
from pellucid.doctor.passes import Passes
from pellucid.doctor.remedies import REMEDIES, changes, plan_of_run, ready_of, settled, steps_of_epoch
from pellucid.doctor.skill import as_rows, class_numbers, classes_named, skill
from pellucid.doctor.successive_halving import (
    Candidate,
    Change,
    Field,
    Propose,
    Trial,
    Watch,
    finalists,
    halve,
    ordered,
    test,
)
from pellucid.functions.regularizers import regularizers
from pellucid.optimizers import FromOptax
from pellucid.report import html, terminal
from pellucid.report.doctor import proof_section
from pellucid.report.document import Document
from pellucid.runs.experiment import Experiment
from pellucid.runs.many import many
from pellucid.runs.outputs import outputs_of
from pellucid.runs.plan import Plan
from pellucid.runs.samples import sample
from pellucid.runs.trained import Trained
from pellucid.training import History, Training, initial_state
from pellucid.training.population import run_in_threads
from pellucid.training.recorder import Recorder

Judge = Callable[..., float]
"""(decided, truth) of the held-out rows, or the samples of a GAN → a score of at least 0, higher is better."""
USUAL = (
    "a fitting loss",
    "adam",
    "standardise the inputs",
    "relu in the hidden layers",
    "larger learning rate",
    "smaller learning rate",
    "He initialisation",
    "more epochs",
)
"""Remedies that are tried after those of the findings: what most often helps. Of a GAN all are tried."""
SCALES = (
    "standardise inputs and targets",
    "standardise the targets",
    "standardise the inputs",
    "min-max the inputs",
    "scale the targets into the range",
)
"""Remedies of the findings that are tried first, whatever their rank: a learning rate that is proven on raw numbers
only makes up for their size."""
OF_OPTAX = (
    "not tried: another learning rate, clipping or L1 penalty, for the optimizer came from Optax and keeps its numbers "
    "to itself; train with one of pellucid's to have them tried"
)
MORE_FINALISTS = 2
"""Candidates that are tested where the best ones prove nothing."""
SAMPLES = 2000
"""Samples of a GAN that a judge sees."""


@dataclass(frozen=True, repr=False)
class Proof:
    """What was tried, and what came of it.

    Attributes:
        original: the training as it was.
        tried: all candidates, the best first.
        random: the best of the changes chosen at random, tried with as many trainings; None without them.
        trainings: how many were made for the candidates and the original.
        random_trainings: how many for the changes chosen at random, beside the original's.
        seconds: what all took.
        plan: the original, settled.
        untried: what could not be changed, and why; empty where nothing stood in the way.
    """

    original: Candidate
    tried: tuple[Candidate, ...]
    random: Candidate | None
    trainings: int
    random_trainings: int
    seconds: float
    plan: Any = None
    untried: str = ""

    @property
    def best(self) -> Candidate | None:
        """The best proven candidate, a single change unless two are better by the same test; None for none."""
        proven = [candidate for candidate in self.tried if candidate.proven]
        for candidate in sorted(proven, key=lambda candidate: candidate.changes):
            if not any(other.beats(candidate) for other in proven):
                return candidate
        return None

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        return {
            "original": self.original.to_dict(),
            "best": None if self.best is None else self.best.to_dict(),
            "tried": [candidate.to_dict() for candidate in self.tried],
            "random": None if self.random is None else self.random.to_dict(),
            "trainings": self.trainings,
            "random_trainings": self.random_trainings,
            "seconds": round(self.seconds, 2),
            "untried": self.untried,
        }

    def __str__(self) -> str:
        return terminal.text(Document("Proof", *proof_section(self.to_dict()).blocks, self.untried or None))

    def _repr_html_(self) -> str:
        return html.fragment(Document("Proof", *proof_section(self.to_dict()).blocks))

    def __repr__(self) -> str:
        best = "nothing beats the original" if self.best is None else self.best.text
        return f"<Proof: {best}; {self.trainings} trainings>"


@in_its_precision
def prove(
    run: Trained,
    data: Dataset | None = None,
    *,
    findings: Sequence[Finding] | None = None,
    judge: Judge | None = None,
    seeds: int = 10,
    budget: float = 60.0,
    most: int = 12,
    random: bool = True,
    progress: Watch | None = None,
) -> Proof:
    """Try what may help, and say what does.

    Args:
        run: the training that does not learn.
        data: its data, where the run was loaded and its data came as arrays.
        findings: of a diagnosis, the likeliest first, whose remedies are tried in this order, those that scale inputs
            or targets before all others; None asks `diagnose`.
        judge: (decided, truth) of the held-out rows → a score of at least 0, higher is better; None for skill. Of a
            GAN: samples → score; None for the fraction of the real rows that they cover. What diverges scores 0.
        seeds: paired seeds of the last test, at least 3.
        budget: seconds of each successive halving; looked at between trainings.
        most: candidates that begin it.
        random: also try as many changes chosen at random.
        progress: is called before trainings are made.

    Returns:
        The proof.

    Raises:
        DataError: no rows, or no held-out targets to score on.
        InvalidValue: fewer than 3 seeds.

    Example:
        >>> from pellucid.api import train
        >>> from pellucid.data import load_dataset
        >>> from pellucid.optimizers import SGD
        >>> run = train((8,), load_dataset("iris"), optimizer=SGD(1e-4), epochs=20, progress=False)
        >>> slow = Finding("learning_rate_too_low", "problem", 0.9)
        >>> prove(run, findings=[slow], seeds=5, most=3, random=False).best.proven
        True

    Source: Jamieson, Talwalkar, Non-stochastic best arm identification, 2016 (successive halving);
    Holm, 1979 (several tests).
    """
    require(seeds, WholeNumber(3), "seeds")
    began = time.perf_counter()
    if not (run.adversarial or readable(run)):
        raise InvalidValue(
            "prove scores candidates by one output of a row, and this run has several inputs or outputs, outputs at "
            "each step, or sentences. Compare settings that may help by compare(data, over={…}, network=…)."
        )
    run = with_rows(run, data)
    plan, trainer = _prepared(run, judge)
    names = _in_order(diagnose(run) if findings is None else findings, plan)
    field_ = Field(trainer, trainer.steps, trainer.goal, progress)
    first, second = halve(field_, plan, _guided(names), (most, max(3, most // 2)), budget)
    finals = _tested(field_, first, second, seeds)
    tried, trainings = ordered([*first, *second]), field_.trainings
    tried.sort(key=lambda candidate: (candidate.proven, candidate.test is not None), reverse=True)
    chance = None
    if random:
        random_changes = _shuffled(np.random.default_rng(0), REMEDIES[plan.experiment.program])
        others = halve(field_, plan, random_changes, (len(first), len(second)), budget)
        chance = _best_by_chance(field_, *others, len(finals), seeds)
    jax.clear_caches()  # a process has room for some hundred compiled programs
    untried = OF_OPTAX if isinstance(plan.optimizer, FromOptax) else ""
    more, seconds = field_.trainings - trainings, time.perf_counter() - began
    return Proof(field_.original, tuple(tried), chance, trainings, more, seconds, plan, untried)


def _prepared(run: Trained, judge: Judge | None) -> tuple[Plan, "Trainer"]:
    """The plan to change, and what trains and scores.

    Raises:
        DataError: no rows, or no held-out targets to score on.
    """
    refuse_stream(run.data, "a proof")
    plan = plan_of_run(run)
    if plan is None:
        raise DataError(
            "a proof needs the rows of the training, which this run does not hold. Give its data: prove(run, data)."
        )
    if not run.adversarial and (plan.data.held_out is None or plan.data.task in UNTARGETED):
        raise DataError("a proof is scored on held-out targets; this training has none.")
    return plan, Trainer(run, plan, judge)


def _in_order(findings: Sequence[Finding], plan: Plan) -> list[str]:
    """The names of the remedies to try."""
    named = [name for finding in findings for name in finding.remedies]
    usual = REMEDIES["adversarial"] if plan.experiment.adversarial else USUAL
    return list(dict.fromkeys([*sorted(named, key=lambda name: name not in SCALES), *usual]))


def _tested(field_: Field, first: list[Candidate], second: list[Candidate], seeds: int) -> list[Candidate]:
    """The best candidates, tested; where they prove nothing, also what fell behind by bad luck."""
    finals = finalists(field_, first, second)
    test(field_, finals, seeds)
    if any(candidate.proven for candidate in finals):
        return finals
    others = [one for one in ordered([*first, *second]) if one not in finals and field_.gain(one) > 0]
    finals = [*finals, *others[:MORE_FINALISTS]]
    test(field_, finals, seeds)  # all that are tested share one correction
    return finals


def _best_by_chance(
    field_: Field, first: list[Candidate], second: list[Candidate], count: int, seeds: int
) -> Candidate | None:
    finals = finalists(field_, first, second)[: max(1, count)]
    test(field_, finals, seeds)
    best = sorted(finals, key=lambda one: (one.proven, one.mean), reverse=True) or ordered(first)
    return best[0] if best else None


def _guided(names: Sequence[str]) -> Propose:
    """The remedies of these names, in their order."""
    return lambda plan, held: changes([name for name in names if name not in held], plan)


def _shuffled(rng: np.random.Generator, names: Iterable[str]) -> Propose:
    """All changes that there are, in a random order."""

    def propose(plan: Plan, held: frozenset[str]) -> list[Change]:
        every = changes([name for name in names if name not in held], plan)
        return [every[i] for i in rng.permutation(len(every))]

    return propose


class Trainer:
    """Trains changes of a run, and scores what comes of them.

    Args:
        run: the original.
        plan: its plan.
        judge: scores; None for skill, or coverage of a GAN.
    """

    def __init__(self, run: Trained, plan: Plan, judge: Judge | None) -> None:
        self.run, self.plan, self.judge = run, plan, judge
        self.fits = ready_of(plan) is not None
        self._without_held_out: dict[int, Dataset] = {}

    @property
    def goal(self) -> float:
        """The best score of the baselines on the held-out rows; 1 of a GAN, NaN where they do not apply."""
        if self.run.adversarial:
            return 1.0
        judge = self.judge or skill

        class Judged(Baselines):
            def skill(self, decided: np.ndarray, target: np.ndarray) -> float:
                return judge(np.asarray(decided).reshape(target.shape), target)

        with np.errstate(all="ignore"):
            return Judged(Passes(self.run)).best

    def steps(self, change: Change | None) -> int:
        """Updates of the training of a change."""
        plan = self.plan if change is None else change.plan
        return plan.experiment.epochs * steps_of_epoch(plan)

    def __call__(self, members: Sequence[tuple[Change | None, int]]) -> list[Trial]:
        """Train changes by their seeds, and score them."""
        own = [i for i, (change, _) in enumerate(members) if change is None and not self.fits]
        others = [i for i in range(len(members)) if i not in own]
        plans = [self.plan if (change := members[i][0]) is None else change.plan for i in others]
        experiments = [
            msgspec.structs.replace(plan.experiment, seed=members[i][1]) for i, plan in zip(others, plans, strict=True)
        ]
        trained = many(
            experiments,
            [self._training_part(plan.data) for plan in plans],
            networks=[plan.network for plan in plans],
            optimizers=[plan.optimizer for plan in plans],
            initials=[plan.initial for plan in plans],
        )
        again = self._again([members[i][1] for i in own]) if own else []
        runs = dict(zip(others, zip(trained, plans, strict=True), strict=True))
        runs |= {i: (one, self.plan) for i, one in zip(own, again, strict=True)}
        return [self._trial(*runs[i]) for i in range(len(members))]

    def _training_part(self, data: Dataset) -> Dataset:
        """The data without held-out rows, which are scored once, at the end."""
        return self._without_held_out.setdefault(id(data), replace(data, held_out=None))

    def _again(self, seeds: Sequence[int]) -> list[Trained]:
        """The original from the parts of its own training, where its experiment alone does not make it."""
        run, training = self.run, self.run.training
        assert training is not None
        penalty = run.experiment.regularizer
        penalty = None if penalty is None else regularizers.build(penalty)
        program = replace(run.program, recorder=Recorder(0))
        shape, rows = run.facts.input_shape, training.train

        def begin(seed: int) -> Training:
            average = run.experiment.average_weights
            given = {} if run.initial is None else run.initial.arrays
            state = initial_state(
                program.network, training.optimizer, penalty, shape, seed, average=average, given=given
            )
            history = History.begin(program, rows.rows)
            return Training(program, training.scaling, rows, None, training.optimizer, state, history)

        def train(one: Training) -> str:
            with suppress(TrainingDiverged):
                for _ in one.run(run.experiment.epochs):
                    pass
                return "epochs"
            return "diverged"

        trainings = [begin(seed) for seed in seeds]
        stopped = run_in_threads(trainings, train)
        pairs = zip(trainings, stopped, strict=True)
        return [Trained.of_training(one, run.experiment, run.data, run.facts, end) for one, end in pairs]

    def _trial(self, trained: Trained, plan: Plan) -> Trial:
        seconds = (trained.seconds or 0.0) / max(trained.history.steps_made, 1)
        return Trial(0.0 if trained.stopped == "diverged" else self._score(trained, plan), seconds)

    def _score(self, trained: Trained, plan: Plan) -> float:
        if trained.adversarial:
            return coverage_of(trained) if self.judge is None else self.judge(sample(trained, SAMPLES))
        training, held_out, truth = trained.training, plan.data.held_out, self.plan.data.held_out
        assert training is not None
        assert held_out is not None
        assert truth is not None
        outputs = outputs_of(trained.network, trained.params, trained.layer_state, held_out.x, training.scaling)
        outputs = trained.facts.target_preprocessing.invert_numpy(outputs)
        loss, task = trained.program.loss, plan.data.task
        if task in ("binary", "multiclass"):
            decided, y = classes_named(outputs, loss), class_numbers(truth.y)
        elif task == "multilabel":
            decided, y = (outputs > threshold_of(loss)).astype(int), filled(truth.y)
        else:
            decided, y = as_rows(outputs), filled(as_rows(truth.y))
        return (self.judge or skill)(decided, y)


def repaired_settings(proof: Proof, original: Experiment) -> str:
    """The settings of the best proven change as TOML, with the evidence in comments.

    Args:
        proof: the proof.
        original: the settings that it began with.

    Raises:
        InvalidValue: nothing was proven, or the change is one of the data.
    """
    best = proof.best
    if best is None or best.change is None:
        raise InvalidValue("nothing tried beats the original: there is nothing to apply.")
    plan = best.change.plan
    if plan.data is not proof.plan.data:
        raise InvalidValue(
            "the change that helps is one of the data, which experiment.toml does not hold: make it where the data "
            "are made, and train again."
        )
    try:
        experiment = settled(plan)
    except InvalidValue as error:
        raise InvalidValue(f"{error} Make the change in your program: {best.text}.") from error
    recorded = {name: getattr(original, name) for name in ("record_every", "histograms_every", "snapshots", "seed")}
    settings = msgspec.structs.replace(experiment, **recorded).to_dict()
    evidence = "".join(f"# {line}\n" for line in str(proof).splitlines())
    return f"# Repaired: {best.text}\n#\n{evidence}\n{tomli_w.dumps(settings)}"
