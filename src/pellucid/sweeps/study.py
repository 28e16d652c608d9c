"""Samplers and pruners of Optuna: trials that are chosen by what came of those before."""

import inspect
import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pellucid.core.errors import InvalidValue, MissingExtra, did_you_mean
from pellucid.runs.compare import shown
from pellucid.sweeps.methods import Cluster
from pellucid.sweeps.progress import Bar
from pellucid.sweeps.space import Point, Range, Space
from pellucid.sweeps.trainer import Numbered, Trainer, Trainings
from pellucid.sweeps.trial import Journal, Trial

ASKED = 8
"""Trials that a sampler is asked for at a time, trained side by side: more would be chosen knowing less."""
REPORTS = 10
"""Times that a pruner is asked during a training."""


def optuna() -> ModuleType:
    """Import Optuna.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtra("optuna", "optuna", "a sampler or pruner of Optuna") from error
    optuna.logging.disable_default_handler()
    return optuna


def find(kind: str, given: Any, seed: int) -> Any:
    """Find a sampler or pruner of Optuna by its name, or take it as it is.

    Args:
        kind: ``"Sampler"`` or ``"Pruner"``.
        given: an object of it, or its name, such as ``"tpe"`` of ``TPESampler``.
        seed: of its draws, where it makes any.

    Raises:
        InvalidValue: neither, with the names that there are.
        MissingExtra: Optuna is not installed.
    """
    library = optuna()
    module = library.samplers if kind == "Sampler" else library.pruners
    base = getattr(module, f"Base{kind}")
    if isinstance(given, base):
        return given
    classes = {name.removesuffix(kind).lower(): getattr(module, name) for name in module.__all__}
    known = {
        name: cls for name, cls in classes.items() if inspect.isclass(cls) and issubclass(cls, base) and _alone(cls)
    }
    key = given.lower().removesuffix(kind.lower()) if isinstance(given, str) else ""
    if key not in known:
        what = "method must be random, grid, halving, or a sampler" if kind == "Sampler" else "pruner must be a pruner"
        raise InvalidValue(
            f"{what} of Optuna, as an object or by name: {', '.join(known)}. Received: {given!r}."
            f"{did_you_mean(key, known)}"
        )
    with _quiet():
        return known[key](**({"seed": seed} if "seed" in inspect.signature(known[key]).parameters else {}))


def _alone(cls: type) -> bool:
    """True for a class that can be made without arguments."""
    if inspect.isabstract(cls):
        return False
    parameters = inspect.signature(cls).parameters.values()
    return all(one.default is not one.empty or one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's warnings that a class is experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna().exceptions.ExperimentalWarning)
        yield


class Study:
    """A study of Optuna whose trials are trained here.

    Args:
        sampler: of Optuna.
        pruner: of Optuna; None to train all to the end.
        space: of the sweep.
        higher: whether more of the metric is better.
    """

    def __init__(self, sampler: Any, pruner: Any, space: Space, higher: bool) -> None:
        self._library, self._space, self._prunes = optuna(), space, pruner is not None
        self._distributions = {name: self._distribution(values) for name, values in space.items()}
        self._asked_for = {
            "study_name": "sweep",
            "sampler": sampler,
            "pruner": pruner or self._library.pruners.NopPruner(),
            "direction": "maximize" if higher else "minimize",
        }

    def run(self, trainer: Trainer, trials: int, journal: Journal, cluster: Cluster, bar: Bar) -> None:
        """Ask for trials, train them and tell what came of them, until there are enough.

        The study is kept beside the journal, where that is on the disk.
        """
        with self._storage(journal) as storage:
            study = self._library.create_study(storage=storage, load_if_exists=True, **self._asked_for)
            self._close_open_trials(study, journal)
            while len(journal.trials) < trials:
                for trial in self._made(study, min(ASKED, trials - len(journal.trials)), trainer, cluster, bar):
                    journal.add(trial)
                    bar.made(trial)
                    self._tell(study, trial)

    @contextmanager
    def _storage(self, journal: Journal) -> Iterator[Any]:
        if journal.path is None:
            yield None
            return
        storage = self._library.storages.RDBStorage(f"sqlite:///{journal.path.parent.resolve() / 'study.db'}")
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()

    def _close_open_trials(self, study: Any, journal: Journal) -> None:
        """End the trials that a kill left open."""
        state = self._library.trial.TrialState
        for begun in study.get_trials(deepcopy=False, states=(state.RUNNING,)):
            if begun.number in journal.trials:
                self._tell(study, journal.trials[begun.number])
            else:
                study.tell(begun.number, state=state.FAIL)

    def _made(self, study: Any, count: int, trainer: Trainer, cluster: Cluster, bar: Bar) -> Iterable[Trial]:
        """Ask for some trials and make them."""
        with _quiet():
            asked = {trial.number: trial for trial in (study.ask(self._distributions) for _ in range(count))}
        points = [(number, self._point(trial.params)) for number, trial in asked.items()]
        if self._prunes:
            return self._pruned(trainer, asked, points, bar)
        return itertools.chain.from_iterable(cluster.trials(trainer, trainer.batches(points, cluster.workers), bar))

    def _pruned(self, trainer: Trainer, asked: Mapping[int, Any], points: list[Numbered], bar: Bar) -> Iterator[Trial]:
        """Make trials, and end those early that the pruner says."""
        trainings = Trainings(trainer, points)
        ends = sorted({max(1, round(trainings.epochs * i / REPORTS)) for i in range(1, REPORTS + 1)})
        before = 0
        for end in ends:
            count = len(trainings.points) * len(trainer.parts)
            trainings.run(end, bar.within(len(trainings.points) / len(ends), count * (end - before)))
            before, kept = end, []
            for trial in trainings.trials():
                asked[trial.number].report(trial.value, end)
                trial.dropped = bool(end < ends[-1] and asked[trial.number].should_prune())  # NumPy's, of some pruners
                if trial.dropped or end == ends[-1]:
                    yield trial
                else:
                    kept.append(trial.number)
            trainings.keep(kept)
            if not kept:
                break

    def _tell(self, study: Any, trial: Trial) -> None:
        pruned = self._library.trial.TrialState.PRUNED  # of a trial that diverged too: samplers avoid its like
        if trial.diverged or trial.dropped:
            study.tell(trial.number, state=pruned)
        else:
            study.tell(trial.number, trial.value)

    def _point(self, params: Mapping[str, Any]) -> Point:
        """The point that Optuna's parameters stand for."""
        return {
            name: params[name] if isinstance(values, Range) else [shown(value) for value in values].index(params[name])
            for name, values in self._space.items()
        }

    def _distribution(self, values: Any) -> Any:
        of = self._library.distributions
        if not isinstance(values, Range):
            return of.CategoricalDistribution([shown(value) for value in values])
        kind = of.IntDistribution if values.whole else of.FloatDistribution
        return kind(values.low, values.high, log=values.log)
