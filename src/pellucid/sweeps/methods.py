"""The methods of a sweep: which settings become trials, and for how long each is trained."""

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

from pellucid.sweeps.progress import Bar
from pellucid.sweeps.trainer import Numbered, Trainer, Trainings
from pellucid.sweeps.trial import Journal, Trial, ordered

REDUCTION = 3
"""Of so many trials halving keeps one after each stretch, and trains it so many times as long.

Source: Li et al., Hyperband, 2018, section 3.6, where 3 and 4 do best.
"""


class Cluster(Protocol):
    """Where batches of trials are made."""

    @property
    def workers(self) -> int:
        """Number of processes that are each to have a part; 0 where there is this one alone."""
        ...

    def trials(self, trainer: Trainer, batches: Sequence[Sequence[Numbered]], bar: Bar) -> Iterator[list[Trial]]:
        """Make the trials, yielding those of each batch as it ends."""
        ...


class Here:
    """This process."""

    workers = 0

    def trials(self, trainer: Trainer, batches: Sequence[Sequence[Numbered]], bar: Bar) -> Iterator[list[Trial]]:
        """Make the trials, yielding those of each batch as it ends."""
        for batch in batches:
            epochs = sum(plan.experiment.epochs for _, point in batch for plan in trainer.plans(point))
            yield trainer.train(batch, bar.within(len(batch), epochs))


def each(trainer: Trainer, trials: Sequence[Numbered], journal: Journal, cluster: Cluster, bar: Bar) -> None:
    """Train every trial to its end."""
    missing = [trial for trial in trials if trial[0] not in journal.trials]
    for made in cluster.trials(trainer, trainer.batches(missing, cluster.workers), bar):
        for trial in made:
            journal.add(trial)
            bar.made(trial)


def halving(trainer: Trainer, trials: Sequence[Numbered], journal: Journal, higher: bool, bar: Bar) -> None:
    """Train all for a few epochs, then the better third of them for three times as many, and so on to the end.

    Source: Jamieson, Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, 2016.
    """
    missing = [trial for trial in trials if trial[0] not in journal.trials]
    if not missing:
        return
    trainings = Trainings(trainer, missing)  # those that an ended sweep had not dropped yet begin anew
    ends = rungs(len(trials), trainings.epochs)
    before = 0
    for rung, end in enumerate(ends):
        kept = max(1, len(trials) // REDUCTION ** (rung + 1)) if rung < len(ends) - 1 else 0
        if len(trainings.points) <= kept:
            continue
        count = len(trainings.points) * len(trainer.parts)
        dropping = len(trainings.points) - kept
        trainings.run(end, bar.within(dropping, count * (end - before)))
        before = end
        ranked = ordered(trainings.trials(), higher)
        for trial in ranked[kept:]:
            trial.dropped = rung < len(ends) - 1
            journal.add(trial)
            bar.made(trial)
        trainings.keep([trial.number for trial in ranked[:kept]])


def rungs(trials: int, epochs: int) -> list[int]:
    """The epochs after which halving drops trials; the last is the end.

    Example:
        >>> rungs(trials=64, epochs=27)
        [1, 3, 9, 27]
        >>> rungs(trials=5, epochs=100)
        [33, 100]
    """
    most = math.floor(math.log(trials, REDUCTION) + 1e-9) if trials > 1 else 0
    return sorted({max(1, round(epochs / REDUCTION**power)) for power in range(most + 1)})
