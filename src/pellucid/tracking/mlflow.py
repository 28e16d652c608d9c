"""Trainings in MLflow."""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pellucid.core.errors import MissingExtra
from pellucid.report.picture import png_bytes
from pellucid.runs.trained import Trained
from pellucid.tracking.tracker import Point, Tracker, artifacts, network_of, result_of, settings_of

METRICS, PARAMS = 1000, 100
"""Most metrics and parameters of one call that MLflow takes."""
LONGEST = 6000
"""Characters of a parameter that MLflow takes."""


@dataclass(eq=False)
class MLflow(Tracker):
    """Log a training to MLflow: parameters, metrics, pictures, the run folder as artifacts.

    A callback: ``pel.train(…, callbacks=[pel.callbacks.MLflow()])``. It logs into the run of MLflow that is active;
    where none is, it starts one and ends it: KILLED where the training was interrupted, FAILED where an error ended it.
    A resumed training goes on in the run that it had. ``pel.load`` reads the artifact ``run`` once it is downloaded.

    Args:
        experiment: name of the experiment, made where it is not there; by default the one that MLflow is set to.
        uri: where to: the address of a server, ``sqlite:///runs.db``; by default the one that MLflow is set to.

    Raises:
        MissingExtra: mlflow is not installed.
    """

    name = "mlflow"
    experiment: str | None = None
    uri: str | None = None
    _own: bool = field(default=True, init=False, repr=False)

    def _open(self, run: Trained, folder: Path | None, place: Any) -> str:
        try:
            import mlflow
        except ImportError as error:
            raise MissingExtra("mlflow-skinny", "mlflow", "logging to MLflow") from error
        if self.uri is not None:
            mlflow.set_tracking_uri(self.uri)
        if self.experiment is not None:
            mlflow.set_experiment(self.experiment)
        active = mlflow.active_run()
        self._own = active is None
        if active is None:
            active = mlflow.start_run(run_id=place) if place else mlflow.start_run(run_name=run.name)
        self._client, self._id = mlflow.MlflowClient(), active.info.run_id
        if place != self._id:
            from mlflow.entities import Param, RunTag

            settings = settings_of(run).items()
            params = [Param(key(name), str(value)[:LONGEST]) for name, value in settings]
            tags = {"pellucid.data": run.facts.fingerprint} | (
                {} if folder is None else {"pellucid.folder": str(folder)}
            )
            for some in _parts(params, PARAMS):
                self._client.log_batch(self._id, params=some)
            self._client.log_batch(self._id, tags=[RunTag(name, value) for name, value in tags.items()])
            self._client.log_text(self._id, network_of(run), "network.md")
        return self._id

    def _write(self, points: list[Point]) -> None:
        self._log((point.step, name, value) for point in points for name, value in point.scalars.items())
        for point in points:
            for name, pixels in point.pictures.items():
                self._artifact(png_bytes(pixels), Path("pictures", name, f"step-{point.step:09d}.png"))

    def _log(self, metrics: Iterable[tuple[int, str, float]]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        logged = [Metric(key(name), value, now, step) for step, name, value in metrics]
        for some in _parts(logged, METRICS):
            self._client.log_batch(self._id, metrics=some)

    def _artifact(self, content: bytes, path: Path) -> None:
        with TemporaryDirectory() as folder:
            (file := Path(folder, path.name)).write_bytes(content)
            self._client.log_artifact(self._id, str(file), path.parent.as_posix())

    def _close(self, run: Trained, error: Exception | None) -> None:
        import mlflow

        self._log((run.history.steps_made, name, value) for name, value in result_of(run).items())
        self._client.set_tag(self._id, "mlflow.note.content", str(run) if error is None else str(error))
        if run.folder is not None:
            for path in artifacts(run.folder):
                self._client.log_artifact(self._id, str(run.folder / path), Path("run", path.parent).as_posix())
        if self._own:
            status = "FAILED" if error is not None else "KILLED" if run.stopped == "interrupted" else "FINISHED"
            mlflow.end_run(status)


def key(name: str) -> str:
    """The name of a metric or parameter in the characters that MLflow takes.

    Example:
        >>> key("result/precision (k=2)")
        'result/precision _k_2_'
    """
    return re.sub(r"[^\w\-. /]", "_", name)


def _parts(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
