"""From evidence to a ranking: the findings of a run, likeliest cause first."""

import numpy as np

from pellucid.data import Dataset
from pellucid.doctor.before import BEFORE
from pellucid.doctor.findings import Finding
from pellucid.doctor.gan import diagnose_gan
from pellucid.doctor.rule import Subject
from pellucid.doctor.rules import RULES
from pellucid.doctor.setup import with_rows
from pellucid.models.gan_run import GanRun
from pellucid.models.run import Run


def diagnose(run: Run | GanRun, data: Dataset | None = None) -> list[Finding]:
    """Why a training did not learn as it could: its findings, likeliest first.

    Args:
        run: a run; of one that was loaded, the rows are opened again by the name of its data.
        data: its data, where they came as arrays and cannot be opened by name.

    Returns:
        Findings; none where nothing was found. Of severity ``"problem"`` only where the network stays behind what plain
        methods reach on the same rows, or diverged.

    Raises:
        StorageError: a loaded run whose data have no name, or are others than those given.

    Example:
        >>> from pellucid.data import load_dataset
        >>> from pellucid.models.train import train
        >>> from pellucid.optimizers import SGD
        >>> run = train((8,), load_dataset("iris"), optimizer=SGD(1e-5), epochs=10, progress=False)
        >>> diagnose(run)[0].label
        'learning_rate_too_low'
    """
    if isinstance(run, GanRun):
        return diagnose_gan(run)
    subject = Subject(with_rows(run, data))
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
