"""Trainings in Weights & Biases."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pellucid.core.constraints import OneOf, constrained, validate
from pellucid.core.errors import MissingExtra
from pellucid.runs.trained import Trained
from pellucid.tracking.tracker import Point, Tracker, artifacts, network_of, result_of


@dataclass(eq=False)
class WandB(Tracker):
    """Log a training to Weights & Biases: settings, curves, histograms, pictures, the run folder as an artifact.

    A callback: ``pel.train(…, callbacks=[pel.callbacks.WandB()])``. Nothing leaves the machine unless ``mode`` says so:
    what is written to ``wandb/`` is sent later by ``wandb sync``. Of a training that was killed and resumed offline,
    the newer folder of the two holds all curves.

    Args:
        project: name of the project.
        mode: ``"offline"`` or ``"online"``.

    Raises:
        MissingExtra: wandb or pillow is not installed.
        InvalidValue: another mode.
    """

    name = "wandb"
    project: str = "pellucid"
    mode: Literal["offline", "online"] = constrained("offline", OneOf(("offline", "online")), "what leaves the machine")
    _run: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        validate(self)

    def _open(self, run: Trained, folder: Path | None, place: Any) -> str:
        try:
            import wandb
            from PIL import Image  # noqa: F401  # pyright: ignore[reportUnusedImport]
        except ImportError as error:
            raise MissingExtra(error.name or "wandb", "wandb", "logging to Weights & Biases") from error
        self._run = wandb.init(
            project=self.project,
            name=run.name,
            id=place,
            resume="allow" if place else None,
            mode=self.mode,
            config=run.experiment.to_dict(),
            notes=network_of(run),
            reinit="create_new",
        )
        # What a killed process had logged is lost unless it was sent, so all that is not there is logged again.
        self._sent = max(0, self._run.starting_step - 1)
        return self._run.id

    def _write(self, points: list[Point]) -> None:
        import wandb
        from PIL import Image

        for point in points:
            histograms = {
                name: wandb.Histogram(np_histogram=(np.asarray(of.counts), of.edges))
                for name, of in point.histograms.items()
            }
            images = {name: wandb.Image(Image.fromarray(pixels)) for name, pixels in point.pictures.items()}
            self._run.log(point.scalars | histograms | images, step=point.step)

    def _close(self, run: Trained, error: Exception | None) -> None:
        import wandb

        self._run.summary.update(result_of(run) | {"ended": str(run) if error is None else str(error)})
        if run.folder is not None:
            kept = wandb.Artifact(f"run-{self._run.id}", type="model")
            for path in artifacts(run.folder):
                kept.add_file(str(run.folder / path), path.as_posix())
            self._run.log_artifact(kept)
        self._run.finish(exit_code=0 if error is None else 1)
