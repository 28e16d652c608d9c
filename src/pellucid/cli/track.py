"""The option ``--track`` of trainings."""

from typing import Any

import click

KINDS = ("tensorboard", "mlflow", "wandb")


class Track(click.ParamType):
    """``tensorboard``, ``mlflow`` or ``wandb``, alone or with where to."""

    name = "where[=place]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Name and place."""
        if isinstance(value, tuple):
            return value
        name, _, place = value.partition("=")
        if name not in KINDS:
            self.fail(f"{name!r} is none of {', '.join(KINDS)}.", param, ctx)
        return name, place or None


track_option = click.option(
    "--track",
    type=Track(),
    multiple=True,
    help="Send the training to tensorboard[=FOLDER], mlflow[=URI] or wandb[=PROJECT]; may be given several times.",
)


def trackers(given: tuple[tuple[str, str | None], ...]) -> list[Any]:
    """The callbacks that ``--track`` asks for."""
    from pellucid.tracking.mlflow import MLflow
    from pellucid.tracking.tensorboard import TensorBoard
    from pellucid.tracking.wandb import WandB

    makers = {
        "tensorboard": lambda place: TensorBoard(place),
        "mlflow": lambda place: MLflow(uri=place),
        "wandb": lambda place: WandB() if place is None else WandB(place),
    }
    return [makers[name](place) for name, place in given]
