"""Many trainings at once: experiments that share their structure run as one program."""

from collections.abc import Sequence
from typing import Any

import msgspec

from pellucid.core.checks import InvalidValue, TrainingDiverged
from pellucid.data import Dataset
from pellucid.models.experiment import Experiment
from pellucid.models.keeping import keep_compiled_programs
from pellucid.models.run import DataFacts, Run
from pellucid.models.train import prepare
from pellucid.network import AnyNetwork


def train_population(
    experiments: Sequence[Experiment],
    data: Dataset | Sequence[Dataset],
    *,
    networks: Sequence[AnyNetwork] | None = None,
    optimizers: Sequence[Any] | None = None,
    progress: bool = False,
) -> list[Run]:
    """Train many experiments; those that differ in seeds and numbers alone share one compiled program.

    A training whose loss is no longer finite ends there and harms no other: its run says ``stopped == "diverged"``.

    Args:
        experiments: the settings of each.
        data: the dataset of all, or one for each.
        networks: the networks as objects, where their layers are not registered.
        optimizers: the optimisers as objects, where the settings cannot describe them.
        progress: show the progress on stderr.

    Returns:
        The runs, in the order of the experiments.

    Raises:
        InvalidValue: not as many datasets as experiments, or a hyperparameter outside what is allowed.

    Example:
        >>> from pellucid.data import load_dataset
        >>> from pellucid.models.train import plan
        >>> iris = load_dataset("iris")
        >>> experiment = plan((8,), iris, optimizer="sgd", epochs=3).experiment
        >>> seeds = [vary(experiment, {"seed": seed}) for seed in range(3)]
        >>> len(train_population(seeds, iris))
        3
    """
    datasets = [data] * len(experiments) if isinstance(data, Dataset) else list(data)
    if len(datasets) != len(experiments):
        raise InvalidValue(
            f"{len(experiments)} experiments need as many datasets. Received: {len(datasets)}."
        )
    keep_compiled_programs()
    runs = []
    for i, (experiment, dataset) in enumerate(zip(experiments, datasets, strict=True)):
        optimizer = None if optimizers is None else optimizers[i]
        network = None if networks is None else networks[i]
        program, training = prepare(experiment, dataset, optimizer, network, None)
        stopped = "epochs"
        try:
            for _ in training.run(experiment.epochs):
                pass
        except TrainingDiverged:
            stopped = "diverged"
        run = Run(
            program.network, training.params, training.state.layer_state, program, experiment,
            DataFacts.of(dataset), training.history, {}, stopped, training=training,
        )  # fmt: skip
        if dataset.held_out is not None and training.history.steps_made:
            run.result |= run.evaluate_part(dataset.held_out)
        runs.append(run)
    return runs


def vary(experiment: Experiment, changes: dict[str, Any]) -> Experiment:
    """A copy of an experiment with some settings changed.

    Args:
        experiment: the settings.
        changes: new values by name; a dotted name reaches into a table or list, which a bare name of an optimiser
            or layer first becomes: ``{"optimizer.learning_rate": 0.1, "network.0.units": 64}``.

    Raises:
        InvalidValue: a name that there is no setting of.

    Example:
        >>> before = Experiment(network=["flatten"], loss="mean_squared_error", metric="accuracy", optimizer="adam")
        >>> vary(before, {"optimizer.learning_rate": 0.1}).optimizer
        {'name': 'adam', 'learning_rate': 0.1}
    """
    settings = msgspec.to_builtins(experiment, enc_hook=lambda number: number.item())
    for path, value in changes.items():
        *way, last = path.split(".")
        if (way or [last])[0] not in settings:
            raise InvalidValue(f"an experiment has no setting {path!r}. Its settings: {', '.join(settings)}.")
        place: Any = settings
        for name in way:
            key: Any = int(name) if isinstance(place, list) else name
            if isinstance(place[key], str):
                place[key] = {"name": place[key]}
            place = place[key]
        key = int(last) if isinstance(place, list) else last
        place[key] = value
    return Experiment.from_dict(settings)
