"""Trainings in TensorBoard: event files as its own reader takes them."""

import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.core.errors import InvalidValue, MissingExtra
from pellucid.runs.trained import Trained
from pellucid.tracking.event_files import graph, histogram, image, messages, session_end
from pellucid.tracking.tracker import Point, Tracker, network_of, result_of, settings_of, watched_by


@dataclass(eq=False)
class TensorBoard(Tracker):
    """Write a training for TensorBoard: curves, histograms, pictures, the graph, hyperparameters.

    A callback: ``pel.train(…, folder="runs/first", callbacks=[pel.callbacks.TensorBoard()])``; then ``tensorboard
    --logdir runs`` shows all trainings side by side. Histograms are those of the setting ``histograms_every``.

    Args:
        folder: where to; by default ``tensorboard`` in the run folder. What it shows of an earlier training is
            replaced.

    Raises:
        InvalidValue: neither a folder nor a run folder.
        MissingExtra: tensorboardX is not installed.

    Example:
        >>> import tempfile
        >>> import pellucid as pel
        >>> tracker = TensorBoard(tempfile.mkdtemp())
        >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=2, progress=False, callbacks=[tracker])
    """

    name = "tensorboard"
    folder: str | Path | None = None
    _writer: Any = field(default=None, init=False, repr=False)

    def _open(self, run: Trained, folder: Path | None, place: Any) -> str:
        try:
            from tensorboardX import RecordWriter
            from tensorboardX.summary import hparams, text
        except ImportError as error:
            raise MissingExtra("tensorboardX", "tensorboard", "writing for TensorBoard") from error
        events = Path(self.folder) if self.folder is not None else folder and folder / "tensorboard"
        if events is None:
            raise InvalidValue(
                "TensorBoard() writes into the run folder, and there is none. Give one, train(…, folder=…), or a "
                "folder of its own, TensorBoard(folder)."
            )
        events.mkdir(parents=True, exist_ok=True)
        # Files are read in the order of their names.
        self._writer = RecordWriter(str(events / f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}"))
        self._event(file_version="brain.Event:2")
        # What was written for later steps, by another training or by this one before it was killed, is void.
        again, session = place == str(events), messages().SessionLog
        self._event(self._sent + 1 if again else 0, session_log=session(status=session.START))
        if not again:
            self._event(graph_def=graph(run).SerializeToString())
            self._event(summary=text("network", network_of(run)))
            rows = watched_by(run) if run.facts.held_out_rows or run.experiment.decides else "training"
            tags = [f"{name}/{rows}" for name in ("loss", run.history.metric_name)]
            for summary in hparams(settings_of(run), dict.fromkeys(tags, 0.0))[:2]:
                self._event(summary=summary)
        self._writer.flush()
        return str(events)

    def _event(self, step: int = 0, **content: Any) -> None:
        event = messages().Event(step=step, wall_time=time.time(), **content)
        self._writer.write(event.SerializeToString())

    def _write(self, points: list[Point]) -> None:
        summary = messages().Summary
        for point in points:
            values = [summary.Value(tag=tag, simple_value=value) for tag, value in point.scalars.items()]
            values += [summary.Value(tag=tag, histo=histogram(of)) for tag, of in point.histograms.items()]
            values += [summary.Value(tag=tag, image=image(pixels)) for tag, pixels in point.pictures.items()]
            self._event(point.step, summary=summary(value=values))
        self._writer.flush()

    def _close(self, run: Trained, error: Exception | None) -> None:
        from tensorboardX.summary import text

        self._write([Point(run.history.steps_made, result_of(run))])
        self._event(run.history.steps_made, summary=text("result", str(run) if error is None else str(error)))
        self._event(run.history.steps_made, summary=session_end(error is None))
        self._writer.close()
