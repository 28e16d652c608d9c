"""Cross-validation: each fold of the rows is held out once, and a network trained on the others."""

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.core.statistics import Estimate, interval
from pellucid.data.folds import Splitter, folds
from pellucid.runs import folder as folders
from pellucid.runs.fit import begin
from pellucid.runs.given import dataset_of
from pellucid.runs.many import many
from pellucid.runs.notes import Notes
from pellucid.runs.plan import settle
from pellucid.runs.retrain import with_steps
from pellucid.runs.trained import Trained
from pellucid.runs.values import final_value, higher_is_better, learning_curve


@dataclass(frozen=True)
class CrossValidation:
    """Trainings of one setting, each with another fold of the rows held out.

    Attributes:
        runs: the trainings, one for each fold.
        held_out: the numbers of the rows that each fold holds out.
    """

    runs: tuple[Trained, ...]
    held_out: tuple[np.ndarray, ...]

    @property
    def metric(self) -> str:
        """The metric that is reported by default: the one on the held-out rows."""
        return f"held_out_{self.runs[0].program.metric_name}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of the held-out rows: loss, metric, and those of the setting ``metrics``."""
        asked = [f"held_out_{metric.label}" for metric in self.runs[0].metrics]
        return tuple(dict.fromkeys(("held_out_loss", self.metric, *asked)))

    def values(self, metric: str | None = None) -> np.ndarray:
        """Collect a metric of every fold at the end of its training.

        Args:
            metric: a column of `pellucid.training.History.epochs`: ``loss`` and the metric's name are of the training
                rows in the last epoch, ``held_out_…`` of the held-out rows and the network that the run keeps.

        Returns:
            Shape (folds,); NaN where the training diverged.

        Raises:
            InvalidValue: a metric that was not recorded.
        """
        return np.array([final_value(run, metric or self.metric) for run in self.runs])

    def estimate(self, metric: str | None = None) -> Estimate:
        """Estimate the mean of a metric over the folds, with standard deviation and 95 % interval (Student's t).

        Any two folds have most of their training rows in common, so that their values depend on one another: the
        interval is somewhat too narrow.

        Args:
            metric: as for ``values``.

        Source: Bengio, Grandvalet, No unbiased estimator of the variance of k-fold cross-validation, 2004.
        """
        return interval(self.values(metric))

    def curves(self, metric: str | None = None) -> np.ndarray:
        """Collect a metric of every fold, epoch by epoch.

        Args:
            metric: as for ``values``. Under early stopping ``held_out_…`` is of the validation part that is watched.

        Returns:
            Shape (folds, epochs); NaN after a training's end.
        """
        epochs = max(run.experiment.epochs for run in self.runs)
        return np.array([learning_curve(run, metric or self.metric, epochs) for run in self.runs])

    def higher_is_better(self, metric: str | None = None) -> bool:
        """True where more of a metric is better."""
        return higher_is_better(self.runs[0], metric or self.metric)

    @cached_property
    def rows(self) -> np.ndarray:
        """Numbers of the rows that were held out, ascending: all rows, unless a splitter leaves some out."""
        return np.sort(np.concatenate(self.held_out))

    @cached_property
    def outputs(self) -> Any:
        """The outputs for each of ``rows``, by the network that did not see the row; see `Trained.outputs`."""
        return self._by_row([run.outputs(x) for run, x in self._unseen()])

    @cached_property
    def predictions(self) -> Any:
        """The prediction for each of ``rows``, by the network that did not see the row; see `Trained.predict`."""
        return self._by_row([run.predict(x) for run, x in self._unseen()])

    def predictions_as_csv(self) -> str:
        """The predictions as lines of row number, fold and prediction; an autoencoder's, whole examples, left out."""
        fold = self._by_row([np.full(len(rows), number) for number, rows in enumerate(self.held_out, 1)])
        head, columns = ["row", "fold"], [self.rows, fold]
        if self.runs[0].facts.task != "reconstruction":
            given = self.predictions if self.runs[0].facts.heads else {"prediction": self.predictions}
            for name, values in given.items():
                predictions = values.reshape(len(self.rows), -1)
                width = predictions.shape[1]
                head += [name] if width == 1 else [f"{name}_{i + 1}" for i in range(width)]
                columns += list(predictions.T)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
        return text.getvalue()

    def _unseen(self) -> list[tuple[Trained, Any]]:
        parts = [None if run.data is None else run.data.held_out for run in self.runs]
        return [(run, part.x) for run, part in zip(self.runs, parts, strict=True) if part is not None]

    def _by_row(self, of_folds: list[Any]) -> Any:
        if isinstance(of_folds[0], dict):
            return {name: self._by_row([of_fold[name] for of_fold in of_folds]) for name in of_folds[0]}
        return np.concatenate(of_folds)[np.argsort(np.concatenate(self.held_out))]

    def to_dict(self) -> dict[str, Any]:
        """The metrics as plain data; what is no number is None."""
        metrics = {}
        for metric in self.metrics:
            estimate = {name: _number(value) for name, value in asdict(self.estimate(metric)).items()}
            metrics[metric] = {**estimate, "values": list(map(_number, self.values(metric).tolist()))}
        of_folds = [
            {"train": run.facts.rows, "held_out": run.facts.held_out_rows, "epochs": run.history.epochs_made}
            | {"stopped": run.stopped, "seconds": run.seconds}
            for run in self.runs
        ]
        return {"metric": self.metric, "metrics": metrics, "folds": of_folds}


def train_folds(
    network: Any,
    data: Any,
    settings: Mapping[str, Any],
    *,
    count: int | Splitter = 5,
    seed: int = 0,
    source: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> CrossValidation:
    """Train a network on each fold's rows; see `pellucid.cross_validate`.

    Args:
        network: as for `pellucid.train`.
        data: as for `pellucid.train`; of arrays all rows are folded, in their order.
        settings: as for `pellucid.train`.
        count: as for `pellucid.data.folds`.
        seed: of the folds and of every training.
        source: how the data are opened again; by default by their name.
        progress: show the progress on stderr.

    Raises:
        InvalidValue: a GAN or a translator.
    """
    dataset = dataset_of(data, network, settings.get("loss"), seed, held_out=None)
    if dataset.task == "translation":
        raise InvalidValue("a translator cannot be cross-validated. Train it on a single split.")
    divided = folds(dataset, count, seed)
    plans = []
    for number, (fold, _) in enumerate(divided, 1):
        opened = dict(source or {"name": dataset.name})
        if not isinstance(count, Splitter):
            opened["fold"] = {"number": number, "of": int(count), "seed": int(seed)}
        plan = settle(network, fold, {**settings, "seed": seed}, source=opened, by_recipe=True)
        if plan.experiment.adversarial:
            raise InvalidValue("a GAN cannot be cross-validated: it predicts nothing that held-out rows could test.")
        if plan.retraining is not None:
            plan = with_steps(begin(plan), plan, progress=False)
        name = f"{plan.experiment.name}-fold-{number}"
        plans.append(plan._replace(experiment=msgspec.structs.replace(plan.experiment, name=name)))
    runs = many(
        [plan.experiment for plan in plans],
        [plan.data for plan in plans],
        networks=[plan.network for plan in plans],
        optimizers=[plan.optimizer for plan in plans],
        initials=[plan.initial for plan in plans],
        progress=progress,
    )
    for run, plan in zip(runs, plans, strict=True):
        run.notes = Notes((*plan.choices, *plan.starting))
    return CrossValidation(tuple(runs), tuple(rows for _, rows in divided))


def require_free(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that a cross-validation cannot be saved to.

    Raises:
        StorageError: another one is there, unless it is to be replaced; or something else.
    """
    folders.require_free(folder, "cross_validation.json", overwrite, "cross-validation")


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
