"""Sweeps: settings of a space trained, judged on rows set aside, and the best one trained on all rows."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import tomli_w

from pellucid.api import Run, finish
from pellucid.api import load as load_run
from pellucid.core.errors import InvalidValue, StorageError, TrainingDiverged
from pellucid.core.files import write_bytes
from pellucid.data import Dataset
from pellucid.data.folds import Splitter
from pellucid.data.stream import refuse_stream
from pellucid.report import html
from pellucid.report.sweep import sweep_document
from pellucid.runs.experiment import open_data
from pellucid.runs.fit import begin
from pellucid.runs.folder import RunFolder, empty_folder, read_toml, require_free
from pellucid.runs.given import dataset_of
from pellucid.runs.plan import Plan
from pellucid.runs.recipe import Retraining
from pellucid.runs.retrain import for_steps
from pellucid.sweeps.methods import Here, each, halving
from pellucid.sweeps.progress import Bar
from pellucid.sweeps.result import Sweep
from pellucid.sweeps.search import OWN, Search, SweepFile, from_file
from pellucid.sweeps.space import Range, settings_at
from pellucid.sweeps.study import Study, find
from pellucid.sweeps.trainer import Trainer
from pellucid.sweeps.trial import Journal, Trial, ordered
from pellucid.training import steps_per_epoch


def sweep(
    network: Any,
    data: Dataset | tuple[Any, Any] | Any,
    *,
    space: Mapping[str, Any],
    method: Any = "random",
    trials: int | None = None,
    seeds: int | Sequence[int] = 3,
    folds: int | Splitter | None = None,
    seed: int = 0,
    pruner: Any = None,
    cluster: str | None = None,
    folder: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **settings: Any,
) -> Sweep:
    """Search a space of settings, and train the best one on all training rows.

    A trial is one setting, trained once for each seed. The seed sets a fifth of the training rows aside, on which the
    training is judged; with ``folds`` it draws the folds, each of which is set aside once. The trial's value is the
    mean of the metric. The held-out rows have no part in it: they are evaluated once, with the best setting.

    Trials that differ in numbers alone are trained side by side in one program; other widths, batch sizes, activations
    are other programs, which each take a second or two to compile.

    Where no ``epochs`` are given, neither beside the space nor in it, trials are trained for as long as the default
    recipe of `pellucid.train` may at most, each is counted at its epoch with the lowest loss on the rows set aside, and
    the best is trained for as many steps as that took.

    Args:
        network: as for `pellucid.train`; None where the space holds networks.
        data: as for `pellucid.train`.
        space: for each setting a list of values or a `pellucid.sweeps.Range`. Settings are those of `pellucid.train`,
            ``network`` too, and dotted names within one: ``optimizer.beta1``, ``regularizer.strength``,
            ``network.units`` of a network by name.
        method: ``"random"`` draws trials; ``"grid"`` takes every combination of lists; ``"halving"`` draws trials,
            trains them for a few epochs, keeps the best third for three times as many, and so on; or a sampler of
            Optuna, as an object or by name, such as ``"tpe"``, which chooses trials by those before.
        trials: how many; 64 by default, of a grid all.
        seeds: how many trainings a trial has, or their seeds.
        folds: cross-validate each trial instead: number of folds, or a splitter of scikit-learn.
        seed: of the draws and of the best run's training.
        pruner: of Optuna, as an object or by name, such as ``"median"``: drops trials on the way.
        cluster: address of a Dask scheduler whose workers make the trials, such as ``"tcp://10.0.0.5:8786"``.
        folder: where the sweep is kept. One that is there already and has the same arguments goes on where it was, with
            more trials if ``trials`` grew.
        overwrite: replace the sweep that ``folder`` holds.
        progress: show the progress on stderr.
        settings: what all trials have in common, by the names that `pellucid.train` takes.

    Returns:
        The sweep: its trials as a table, the importance of the settings, and ``run``, the best one trained.

    Raises:
        InvalidValue: a setting that does not exist, a value outside what is allowed, a GAN or a translator, or
            arguments that do not go together.
        DataError: fewer rows than the parts need.
        StorageError: the folder holds another sweep, or cannot be written.
        MissingExtra: Optuna, or Dask for a cluster, is not installed.
        TrainingDiverged: all trials diverged.

    Example:
        >>> import pellucid as pel
        >>> space = {"learning_rate": pel.sweeps.Range(1e-3, 1e-1, log=True), "optimizer.beta1": [0.8, 0.9]}
        >>> found = pel.sweep((8,), pel.load_dataset("iris"), space=space, trials=8, epochs=10, progress=False)
        >>> len(found.trials), found.best.value > 0.8
        (8, True)

    Where other libraries differ: scikit-learn's ``RandomizedSearchCV`` trains one setting after the other, or in as
    many processes; its ``HalvingRandomSearchCV`` begins again at each round, here the trainings go on.

    Source: Bergstra, Bengio, Random search for hyper-parameter optimization, 2012; Jamieson, Talwalkar,
    Non-stochastic best arm identification and hyperparameter optimization, 2016 (successive halving).
    """
    search = Search.of(
        network,
        space,
        method=method,
        trials=trials,
        seeds=seeds,
        folds=folds,
        seed=seed,
        pruner=pruner,
        settings=settings,
    )
    return run_search(search, data, cluster=cluster, folder=folder, overwrite=overwrite, progress=progress)


def run_search(
    search: Search,
    data: Any,
    *,
    source: Mapping[str, Any] | None = None,
    cluster: str | None = None,
    folder: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Sweep:
    """Make the trials of a search that are not made yet, and train the best; see `sweep`.

    Args:
        search: what is searched, and how.
        data: as for `pellucid.train`.
        source: how the data are opened again; by default by their name.
        cluster: as for `sweep`.
        folder: as for `sweep`.
        overwrite: as for `sweep`.
        progress: as for `sweep`.
    """
    networks = search.space.get("network", (search.network,))
    dataset = dataset_of(data, networks[0], search.settings.get("loss"), search.seed)  # pyright: ignore[reportIndexIssue]
    refuse_stream(dataset, "a sweep")
    trainer = Trainer(
        search.space, search.network, dataset, search.settings, search.seeds, search.folds, search.by_recipe
    )
    first = {name: values.low if isinstance(values, Range) else 0 for name, values in search.space.items()}
    metric, higher = trainer.judged(first)
    if search.drops:
        trainer.check_droppable(first)
    make = _method(search, trainer, higher, cluster)  # all is checked before anything is written
    path = None if folder is None else Path(folder)
    if path is not None:
        _enter(path, search.to_file(source or {"name": dataset.name}, dataset.fingerprint), overwrite)
    journal = Journal(path)
    try:
        with Bar(search.trials, metric.replace("_", " "), higher, progress) as bar, _workers(cluster) as workers:
            for trial in journal.trials.values():
                bar.made(trial)
            make(journal, workers, bar)
    except KeyboardInterrupt:
        if path is not None:
            print(f"{len(journal.trials)} trials are kept; continue with: pellucid sweep {path}", file=sys.stderr)
        raise
    trials = tuple(journal.trials[number] for number in sorted(journal.trials))
    run, notes = _retrained(search, trainer, ordered(trials, higher)[0], source, path, progress)
    made = Sweep(trials, search.space, metric, higher, run, notes, path)
    if path is not None:
        RunFolder(path).write_json("sweep.json", made.to_dict())
        RunFolder(path).write_text("report.html", html.page(sweep_document(made, "best/report.html")))
    return made


def _method(search: Search, trainer: Trainer, higher: bool, cluster: str | None) -> Callable[[Journal, Any, Bar], None]:
    """What makes the trials that a journal lacks.

    Raises:
        InvalidValue: a trial that cannot be made, no such method, or one that is not for a cluster.
    """
    if cluster is not None and search.drops:
        raise InvalidValue(
            "halving and pruners compare trials while they are trained side by side in one process: leave cluster out, "
            "or take method='random' or a sampler without a pruner."
        )
    if search.method not in OWN:
        sampler = find("Sampler", search.method, search.seed)
        pruner = None if search.pruner is None else find("Pruner", search.pruner, search.seed)
        study = Study(sampler, pruner, search.space, higher)
        return lambda journal, workers, bar: study.run(trainer, search.trials, journal, workers, bar)
    points = search.points()
    for _, point in points:
        trainer.plans(point)
    if search.method == "halving":
        return lambda journal, workers, bar: halving(trainer, points, journal, higher, bar)
    return lambda journal, workers, bar: each(trainer, points, journal, workers, bar)


def _workers(cluster: str | None) -> Any:
    if cluster is None:
        return nullcontext(Here())
    from pellucid.sweeps.cluster import DaskCluster

    return DaskCluster(cluster)


def _enter(path: Path, file: SweepFile, overwrite: bool) -> None:
    """Begin a sweep in a folder, or check that the one there is the same.

    Raises:
        StorageError: another sweep is there, or something else.
    """
    marker = path / "sweep.toml"
    if marker.exists() and not overwrite:
        there = SweepFile.from_dict(read_toml(marker))
        may_grow = file.method not in ("grid", "halving") and (file.trials or 0) >= (there.trials or 0)
        ours, theirs = msgspec.to_builtins(file), msgspec.to_builtins(there)
        names = {*ours, *theirs} - ({"trials"} if may_grow else set())
        changed = sorted(name for name in names if ours.get(name) != theirs.get(name))
        if changed:
            raise StorageError(
                f"{path} holds a sweep with another {', '.join(changed)}: give the same to go on with it, replace it "
                "(--overwrite, or overwrite=True), or choose another folder."
            )
        if file.trials != there.trials:
            (path / "sweep.json").unlink(missing_ok=True)  # what came of fewer trials
    else:
        require_free(path, "sweep.toml", overwrite, "sweep")
        empty_folder(path)
    write_bytes(marker, tomli_w.dumps(msgspec.to_builtins(file)).encode())


def _retrained(
    search: Search, trainer: Trainer, best: Trial, source: Any, path: Path | None, progress: bool
) -> tuple[Run, tuple[str, ...]]:
    """Train the best setting on all training rows; a run that is there already is read."""
    if not np.isfinite(best.value):
        raise TrainingDiverged(
            "every trial has a training whose loss became NaN or infinite. Search lower learning rates, or look at the "
            "data: pellucid.check."
        )
    plan = trainer.settled(settings_at(search.space, best.point), trainer.data, search.seed, source)
    if search.by_recipe and (plan.retraining is not None or not plan.experiment.decides):
        plan = _for_steps_of(best, plan, trainer)
    notes = plan.choices
    plan = plan._replace(choices=(*notes, f"the best of a sweep: trial {best.number}, {best.label}"))
    folder = None if path is None else path / "best"
    if folder is not None and (folder / "weights.safetensors").exists():
        kept = load_run(folder)
        if kept.experiment.to_dict() == plan.experiment.to_dict() and kept.stopped != "interrupted":
            return kept, notes
    if progress:
        print("; ".join([*plan.choices, "now trained on all training rows"]), file=sys.stderr)
    return finish(begin(plan), folder=folder, overwrite=True, progress=progress), notes


def _for_steps_of(best: Trial, plan: Plan, trainer: Trainer) -> Plan:
    """The plan for as many steps as the trial took to its best epochs."""
    of_trial = trainer.plans(best.point)
    steps = np.mean(
        [
            epochs * steps_per_epoch(len(one.data.train), one.experiment.rows_of_step(len(one.data.train)))
            for epochs, one in zip(best.epochs, of_trial, strict=True)
        ]
    )
    plan = plan if plan.retraining is not None else plan._replace(retraining=Retraining(1.0, 1, False, {}))
    epochs = " and ".join(map(str, sorted({min(best.epochs), max(best.epochs)})))
    return for_steps(plan, round(float(steps)), f"the trial had its lowest losses after {epochs} epochs")


def load(folder: str | Path) -> Sweep:
    """Read a sweep that has ended.

    Args:
        folder: of the sweep.

    Raises:
        StorageError: no sweep there, or one that has not ended: continue it first.
    """
    path = Path(folder)
    file = _file_of(path)
    if not (path / "sweep.json").exists():
        raise StorageError(f"the sweep {path} has not ended. Continue it: pellucid sweep {path}.")
    search, result, journal = from_file(file), RunFolder(path).read_json("sweep.json"), Journal(path)
    trials = tuple(journal.trials[number] for number in sorted(journal.trials))
    run = load_run(path / "best")
    return Sweep(trials, search.space, result["metric"], result["higher_is_better"], run, tuple(result["notes"]), path)


def proceed(
    folder: str | Path, *, trials: int | None = None, cluster: str | None = None, progress: bool = True
) -> Sweep:
    """Make what is left of a sweep whose data can be opened again.

    Args:
        folder: of the sweep.
        trials: another number of trials, to make more.
        cluster: as for `sweep`.
        progress: as for `sweep`.
    """
    path = Path(folder)
    file = _file_of(path)
    if trials is not None:
        file.trials = trials
    return run_search(
        from_file(file), open_data(file.data), source=file.data, cluster=cluster, folder=path, progress=progress
    )


def _file_of(path: Path) -> SweepFile:
    if not (path / "sweep.toml").exists():
        raise StorageError(f"{path} is not the folder of a sweep: it has no sweep.toml.")
    return SweepFile.from_dict(read_toml(path / "sweep.toml"))
