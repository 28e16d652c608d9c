"""From evidence to a ranking: the findings of a run, likeliest cause first."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

import pellucid.doctor.rules  # noqa: F401 (enters the rules)
from pellucid.core.precision import in_its_precision
from pellucid.data import Dataset
from pellucid.doctor.adversarial import AdversarialSubject
from pellucid.doctor.calibration import probability
from pellucid.doctor.facts import readable
from pellucid.doctor.findings import Finding, Findings, Severity
from pellucid.doctor.records import NeedsRows, RecordedSubject
from pellucid.doctor.remedies import offered, plan_of_run
from pellucid.doctor.rule import CAUSES, EVEN, HELPS, LIKELY, RULES, WEAK, Evidence, Kind, Rule
from pellucid.doctor.subject import Subject
from pellucid.runs.fit import data_of_run, training_again
from pellucid.runs.folder import RunFolder
from pellucid.runs.trained import Trained

BEFORE: tuple[Kind, ...] = ("rows", "program", "probe")
"""Kinds of rules that need no history."""
SURE = WEAK
"""From this strength a finding is a problem, where the network stays behind: as likely as not one of three causes."""
BELOW = 0.9
"""Of the strength of a cause, that of its symptom, or of a cause whose repair alone gains less: just below it."""
RIVAL = LIKELY
"""Of the strength of the first cause: one that is as strong fits as well."""


@in_its_precision
def diagnose(run: Trained, data: Dataset | None = None, *, trials: bool = True) -> Findings:
    """Why a training did not learn as it could: its findings, likeliest first.

    Args:
        run: a run; of one that was loaded, the rows are opened again by the name of its data.
        data: its data, where they came as arrays and cannot be opened by name.
        trials: whether short trainings with one number changed may be made, which decide between causes. Without
            them nothing is compiled: program, records and a thousand rows are read, in some hundredths of a second.
            That is less sure.

    Returns:
        Findings; none where nothing was found, and then ``print`` says what the network was compared with. Of severity
        ``"problem"`` only where the network stays behind what other methods reach on the same rows, or diverged.

    Raises:
        StorageError: a loaded run whose data have no name, or are others than those given.

    Example:
        >>> from pellucid.data import load_dataset
        >>> from pellucid.api import train
        >>> from pellucid.optimizers import SGD
        >>> run = train((8,), load_dataset("iris"), optimizer=SGD(1e-5), epochs=10, progress=False)
        >>> diagnose(run)[0].label
        'learning_rate_too_low'
    """
    subject = subject_of(with_rows(run, data), trials)
    return Findings(with_offers(findings_of(subject, rules_of(run)), subject.run), subject)


def subject_of(run: Trained, trials: bool = True) -> Any:
    """What rules are asked of: a run with the rows of its training."""
    if run.adversarial:
        return AdversarialSubject(run)
    return Subject(run, trials) if readable(run) else RecordedSubject(run)


def rules_of(run: Trained) -> list[Rule]:
    """The rules of a finished training."""
    kinds = ("adversarial",) if run.adversarial else (*BEFORE, "training")
    return [rule for rule in RULES if rule.kind in kinds]


def with_rows(run: Trained, data: Dataset | None = None) -> Trained:
    """A run with the rows of its training: itself where it holds them, else a copy for which they are opened again.

    Raises:
        StorageError: no data by that name, or other data than those of the run.
        InvalidValue: an optimiser from Optax, which its folder cannot describe.
    """
    if run.training is not None or run.folder is None:
        return run if data is None or run.data is not None else replace(run, data=data)
    data = data_of_run(RunFolder(run.folder), run.experiment.data, data)
    return replace(run, training=training_again(run, data), data=data)


@in_its_precision
def suspicion(run: Trained) -> str | None:
    """What held a training back by its records alone, the likeliest cause in a line; None where there is no problem.

    Also that there is nothing to learn, which is no fault of the network. It takes a few hundredths of the time of the
    training; `diagnose` makes sure.
    """
    if not readable(run):
        return None
    findings = findings_of(subject_of(run, trials=False), rules_of(run))
    return next((found.line for found in findings if found.severity == "problem" or found.label == "no_signal"), None)


def findings_of(subject: Any, rules: Iterable[Rule], sure: float = SURE) -> list[Finding]:
    """The findings of rules in a subject, likeliest first."""
    with np.errstate(all="ignore"):  # a sick network's numbers overflow: that is what is looked for
        evidence = evidence_of(subject, rules)
        sick = not subject.healthy
    problems = {name for name, found in evidence.items() if sick and found.holds_back and found.strength >= sure}
    evidence = {name: _below_its_cause(name, evidence) for name in evidence}
    evidence |= _by_trials({name: evidence[name] for name in evidence if name in problems}, subject)
    names = sorted(evidence, key=lambda name: (name not in problems, -evidence[name].strength))
    if names:
        first, *others = names
        evidence[first] = _with_rivals(evidence[first], {name: evidence[name] for name in others if name in problems})
    return [as_finding(name, evidence[name], "problem" if name in problems else "warning") for name in names]


def evidence_of(subject: Any, rules: Iterable[Rule]) -> dict[str, Evidence]:
    """The evidence for each cause that shows: of several rules the strongest."""
    best: dict[str, Evidence] = {}
    for rule in rules:
        try:
            found = rule.find(subject)
        except NeedsRows:
            subject.left_out.add(rule.name)
            continue
        if found is not None and (rule.name not in best or best[rule.name].strength < found.strength):
            best[rule.name] = found
    return best


def as_finding(name: str, evidence: Evidence, severity: Severity) -> Finding:
    """Evidence as a finding, with its calibrated probability."""
    return Finding(name, severity, probability(evidence.strength), evidence.numbers, evidence.because)


def with_offers(findings: Iterable[Finding], run: Any) -> list[Finding]:
    """Findings that offer nothing which the run has already."""
    findings = list(findings)
    plan = plan_of_run(run) if findings else None
    if plan is None:
        return findings
    return [replace(finding, offers=offered(finding.remedies, plan)) for finding in findings]


def _below_its_cause(name: str, evidence: dict[str, Evidence]) -> Evidence:
    """A symptom, made weaker than the strongest cause that brings it about, where that is likelier than not."""
    found = evidence[name]
    cause = max(CAUSES[name].symptom_of, key=lambda of: evidence[of].strength if of in evidence else 0.0, default="")
    if cause not in evidence or evidence[cause].strength < EVEN or found.strength < BELOW * evidence[cause].strength:
        return found
    because = f"{found.because}; {cause.replace('_', ' ')} brings this about"
    return found._replace(strength=BELOW * evidence[cause].strength, because=because)


def _by_trials(problems: dict[str, Evidence], subject: Any) -> dict[str, Evidence]:
    """The problems that change places: the strongest, and one whose repair alone gains more by trials of both."""
    gains = {name: gain for name in problems if (gain := subject.gain_made(CAUSES[name].trials)) is not None}
    first = max(problems, key=lambda name: problems[name].strength, default="")
    if first not in gains:
        return {}
    best = max(gains, key=lambda name: gains[name])
    if gains[best] - gains[first] < HELPS.value:
        return {}
    strength, because = problems[first].strength, f"{problems[best].because}; repaired alone it gains {gains[best]:.2f}"
    return {
        best: problems[best]._replace(strength=strength, because=f"{because} of skill"),
        first: problems[first]._replace(strength=BELOW * strength),
    }


def _with_rivals(first: Evidence, others: dict[str, Evidence]) -> Evidence:
    """The strongest evidence, saying where others are nearly as strong."""
    near = [name.replace("_", " ") for name, found in others.items() if found.strength >= RIVAL * first.strength]
    return first._replace(because=f"{first.because}; {', '.join(near)} would fit as well") if near else first
