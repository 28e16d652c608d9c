"""Train on from the weights of a run: its settings, and rows encoded as its own."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from pellucid.core.errors import InvalidValue
from pellucid.data import Dataset, make_dataset
from pellucid.functions.schedules import Schedule
from pellucid.network import Network, thawed
from pellucid.optimizers import Optimizer, as_optimizer
from pellucid.runs.experiment import SETTINGS, WORDS
from pellucid.runs.starting import of_gan
from pellucid.runs.streams import rows_trained_on
from pellucid.runs.trained import Trained

ANEW = ("network", "initial", "scale_inputs", "scale_targets")
"""Settings that a run does not hand on: its weights and its scalings come with them."""


def more(run: Trained, data: Any, given: Mapping[str, Any]) -> tuple[Network, Dataset, dict[str, Any]]:
    """Network, rows and settings of a training that continues from the weights of a run.

    Args:
        run: the run.
        data: a dataset; inputs and targets; or, for a run on a table, a source of the same columns.
        given: settings that differ from those of the run.

    Raises:
        InvalidValue: the run is of a GAN, or the data ask for another network.
    """
    if run.adversarial:
        raise of_gan()
    experiment = run.experiment
    kept = [name for name in SETTINGS if name not in (*WORDS, *ANEW) and SETTINGS[name].program != "adversarial"]
    settings = {name: value for name in kept if (value := getattr(experiment, name)) is not None}
    optimizer = as_optimizer(experiment.optimizer) if run.training is None else run.training.optimizer
    settings["optimizer"] = _over(optimizer, given.get("epochs", experiment.epochs))
    network = thawed(run.network) if "freeze" in given else run.network
    rows = rows_for(run, data)
    if experiment.batch_size != "all":
        settings["batch_size"] = max(1, min(experiment.batch_size, rows_trained_on(rows, experiment)))
    return network, rows, {**settings, **given, "initial": run}


def _over(optimizer: Any, epochs: int) -> Any:
    """The optimiser with its schedule, if it has one that ends, over so many epochs."""
    rate = getattr(optimizer, "learning_rate", None)
    if not isinstance(optimizer, Optimizer) or not isinstance(rate, Schedule) or not is_dataclass(rate) or not epochs:
        return optimizer
    ends = any(field.name == "epochs" for field in fields(rate))
    return replace(optimizer, learning_rate=replace(rate, epochs=epochs)) if ends else optimizer


def rows_for(run: Trained, data: Any) -> Dataset:
    """Rows as a dataset for the network of a run, encoded as its own rows were.

    Raises:
        InvalidValue: a dataset with other inputs, or another target.
    """
    facts = run.facts
    if not isinstance(data, Dataset):
        if facts.inputs or facts.heads:
            raise InvalidValue("train_more of several inputs or outputs takes a Dataset: make_dataset(x, y).")
        if facts.task == "reconstruction":
            x, y = run.as_inputs(data[0] if isinstance(data, tuple) else data), None
        elif isinstance(data, tuple):
            x, y = run.as_inputs(data[0]), facts.encode_target(data[1])
        elif facts.encoder is not None:
            x, target = facts.encoder.encode_with_targets(data)
            y = facts.encode_target(target)
        else:
            raise InvalidValue(f"train_more takes a Dataset or arrays (x, y). Received: {type(data).__name__}.")
        if facts.task == "binary" and y is not None:
            y = y.reshape(-1).astype(int)
        return make_dataset(
            x,
            y,
            name=facts.name,
            task=facts.task,
            classes=facts.classes or None,
            preprocessing=facts.preprocessing.parts[0],
            encoder=facts.encoder,
            seed=run.experiment.seed,
        )
    for what in ("task", "input_shape", "classes", "outputs"):
        before, now = getattr(facts, what), getattr(data, what)
        if before != now:
            raise InvalidValue(
                f"train_more continues with the network of the run, for {what.replace('_', ' ')} {before!r}. Received: "
                f"{now!r}. For another network: train(network, data, initial=run)."
            )
    return data
