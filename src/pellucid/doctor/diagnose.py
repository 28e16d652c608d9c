"""From evidence to a ranking: the findings of a run, likeliest cause first."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from pellucid.data import Dataset
from pellucid.doctor.before import BEFORE
from pellucid.doctor.findings import SEVERITIES, Finding, Findings
from pellucid.doctor.gan import diagnose_gan, with_gan_rows
from pellucid.doctor.gan_remedies import gan_offered
from pellucid.doctor.gan_setup import GanSetup
from pellucid.doctor.limits import HELPS, Limit
from pellucid.doctor.remedies import offered, setup_to_offer
from pellucid.doctor.rule import Rule, Subject
from pellucid.doctor.rules import RULES
from pellucid.doctor.setup import with_rows
from pellucid.runs.trained import Trained as Run

SURE = Limit(0.3, "a cause that is as likely as not one of three is worth an alarm, but no less likely one")
"""From this probability on a finding is a problem, where the network is not healthy."""
SYMPTOMS = {
    "dead_relu": (
        "inputs_not_scaled",
        "targets_not_scaled",
        "learning_rate_too_high",
        "batch_too_small",
        "loss_scale",
        "bad_init_large",
        "output_activation_range",
    ),
    "saturated_units": (
        "inputs_not_scaled",
        "targets_not_scaled",
        "learning_rate_too_high",
        "batch_too_small",
        "bad_init_large",
    ),
    "exploding_gradient": (
        "inputs_not_scaled",
        "targets_not_scaled",
        "learning_rate_too_high",
        "loss_scale",
        "bad_init_large",
    ),
    "vanishing_gradient": (
        "inputs_not_scaled",
        "inputs_scaled_too_small",
        "learning_rate_too_high",
        "bad_init_large",
        "bad_init_small",
        "hidden_softmax",
    ),
}
"""What a finding may be the mark of: it ranks below such a cause wherever one is likely."""
LIKELY = Limit(0.5, "a cause from which on its mark is its own no longer: it is likelier than not")
BELOW = 0.9
"""Of a cause's probability, that of its symptom, or of a cause whose repair alone gains less, at most."""
CURES_ALONE = {
    "learning_rate_too_high": ("slower",),
    "learning_rate_too_low": ("faster",),
    "too_few_epochs": ("longer",),
    "batch_too_large": ("smaller_batch",),
    "batch_too_small": ("larger_batch",),
    "inputs_not_scaled": ("standardised",),
    "inputs_scaled_too_small": ("standardised",),
    "targets_not_scaled": ("scaled_targets",),
    "over_regularised": ("unpenalised", "undropped"),
    "bad_init_large": ("drawn_anew",),
    "bad_init_small": ("drawn_anew",),
}
"""The trials that repair a cause alone: where two causes hold, the one whose repair gains more is the first."""
OF_GAN = "the samples come near to as many of the real rows as they should"
"""What is known of a GAN in which nothing was found."""
RIVAL = 0.85
"""A cause of at least this share of the first one's probability fits as well."""


def diagnose(run: Run, data: Dataset | None = None, *, trials: bool = True) -> Findings:
    """Why a training did not learn as it could: its findings, likeliest first.

    Args:
        run: a run; of one that was loaded, the rows are opened again by the name of its data.
        data: its data, where they came as arrays and cannot be opened by name.
        trials: whether short trainings with one number changed may be made, which decide between causes. Without
            them nothing is compiled: program, records and a thousand rows are read, in some hundredths of a second.
            That is less sure.

    Returns:
        Findings; none where nothing was found, and then ``print`` tells what the network was compared with. Of severity
        ``"problem"`` only where the network stays behind what plain methods reach on the same rows, or diverged.

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
    if run.adversarial:
        run = with_gan_rows(run, data)
        found, setup = diagnose_gan(run), GanSetup.of(run)
        offers = [gan_offered(finding.remedies, setup) for finding in found]
        return Findings(map(_offering, found, offers), OF_GAN)
    subject = Subject(with_rows(run, data), trials)
    return Findings(with_offers(findings_of(subject), subject.run), subject.reference)


def with_offers(findings: Iterable[Finding], run: Run) -> list[Finding]:
    """Findings that offer nothing which the run has already."""
    findings = list(findings)
    setup = setup_to_offer(run) if findings else None
    if setup is None:
        return findings
    return [_offering(finding, offered(finding.remedies, setup)) for finding in findings]


def _offering(finding: Finding, offers: tuple[str, ...]) -> Finding:
    return replace(finding, offers=offers)


def suspicion(run: Run) -> str | None:
    """What held a training back by its records alone, the likeliest cause in a line; None where there is no problem.

    Also that there is nothing to learn, which is no fault of the network. It adds a few hundredths to the time of the
    training; `diagnose` makes sure.
    """
    if run.adversarial or run.facts.task == "translation":
        return None
    told = (
        finding
        for finding in diagnose(run, trials=False)
        if finding.severity == "problem" or finding.label == "no_signal"
    )
    first = next(told, None)
    return first and first.line


def findings_of(subject: Subject, rules: Iterable[Rule] = (*BEFORE, *RULES), sure: float = SURE.value) -> list[Finding]:
    """What rules find in a subject, likeliest first; of two of one label the surer."""
    best: dict[str, Finding] = {}
    with np.errstate(all="ignore"):  # a sick network's numbers overflow: that is what is looked for
        healthy = subject.reference.healthy
        for rule in rules:
            found = rule.find(subject)
            if found is None:
                continue
            sick = not healthy and found.holds_back and found.probability >= sure
            severity = "problem" if sick else "warning"
            finding = rule.finding(found, severity)
            if rule.label not in best or best[rule.label].probability < finding.probability:
                best[rule.label] = finding
    found = [_below_its_cause(finding, best) for finding in best.values()]
    return _with_rivals(_by_trials(sorted(found, key=_order), subject))


def _order(finding: Finding) -> tuple[int, float]:
    """Problems first, the likeliest first among them."""
    return SEVERITIES.index(finding.severity), -finding.probability


def _by_trials(findings: list[Finding], subject: Subject) -> list[Finding]:
    """The problems in their order, but before the first the one whose repair alone gains more, by trials of both."""
    problems = [finding for finding in findings if finding.severity == "problem"]
    gains = {finding.label: gain for finding in problems if (gain := _alone(finding.label, subject)) is not None}
    if not problems or problems[0].label not in gains:
        return findings
    first, best = problems[0], max(problems, key=lambda finding: gains.get(finding.label, -1.0))
    if gains[best.label] - gains[first.label] < HELPS.value:
        return findings
    because = f"{best.because}; repaired alone it gains {gains[best.label]:.2f} of skill"
    others = [finding for finding in findings if finding not in (first, best)]
    before = replace(best, probability=first.probability, because=because)
    return sorted([before, replace(first, probability=BELOW * first.probability), *others], key=_order)


def _alone(label: str, subject: Subject) -> float | None:
    """What the trials of a cause's repair gained; None where none was made."""
    made = subject.trials_made
    return max((subject.gain(cure) or 0.0 for cure in CURES_ALONE.get(label, ()) if cure in made), default=None)


def _below_its_cause(finding: Finding, found: dict[str, Finding]) -> Finding:
    """A symptom, made less likely than the likeliest cause that brings it about."""
    causes = [found[label] for label in SYMPTOMS.get(finding.label, ()) if label in found]
    cause = max(causes, key=lambda one: one.probability, default=None)
    if cause is None or cause.probability < LIKELY.value or finding.probability < BELOW * cause.probability:
        return finding
    return replace(
        finding, probability=BELOW * cause.probability, because=f"{finding.because}; {cause.name} brings this about"
    )


def _with_rivals(findings: list[Finding]) -> list[Finding]:
    """Say so where other causes fit nearly as well as the first."""
    if not findings:
        return findings
    first, *others = findings
    near = [
        other.name for other in others if other.severity == "problem" and other.probability >= RIVAL * first.probability
    ]
    if not near:  # what keeps no network behind explains nothing
        return findings
    because = f"{first.because}; {', '.join(near)} would fit as well"
    return [replace(first, because=because), *others]
