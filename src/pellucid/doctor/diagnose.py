"""From evidence to a ranking: the findings of a run, likeliest cause first."""

import numpy as np

from pellucid.doctor.before import BEFORE
from pellucid.doctor.findings import Finding
from pellucid.doctor.gan import diagnose_gan
from pellucid.doctor.rule import Subject
from pellucid.doctor.rules import RULES
from pellucid.models.gan_run import GanRun
from pellucid.models.run import Run


def diagnose(run: Run | GanRun) -> list[Finding]:
    """Why a training did not learn as it could: its findings, likeliest first.

    Args:
        run: a run with the rows of its training.

    Returns:
        Findings; none where nothing was found. Of severity ``"problem"`` only where the network stays behind what plain
        methods reach on the same rows, or diverged.

    Raises:
        DataError: the run does not hold its rows.
    """
    if isinstance(run, GanRun):
        return diagnose_gan(run)
    subject = Subject(run)
    best: dict[str, Finding] = {}
    with np.errstate(all="ignore"):  # a sick network's numbers overflow: that is what is looked for
        healthy = subject.reference.healthy
        for rule in (*BEFORE, *RULES):
            found = rule.find(subject)
            if found is None:
                continue
            severity = "problem" if not healthy and found.probability >= 0.3 else "warning"
            finding = Finding(
                rule.label, severity, min(found.probability, 0.995), found.numbers, found.because
            )
            if rule.label not in best or best[rule.label].probability < finding.probability:
                best[rule.label] = finding
    return sorted(best.values(), key=lambda finding: -finding.probability)
