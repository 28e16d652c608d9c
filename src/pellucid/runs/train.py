"""Training from one call: begin, go on, keep checkpoints."""

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.constraints import NOT_NEGATIVE, require
from pellucid.core.errors import DataError, InvalidValue, ResumeWarning, TrainingDiverged
from pellucid.core.registry import describe
from pellucid.core.types import Array, Specification
from pellucid.data import Dataset, Part, split
from pellucid.functions.losses import Loss, losses
from pellucid.functions.metrics import Metric, metrics
from pellucid.functions.regularizers import Regularizer, regularizers
from pellucid.runs.experiment import Experiment, check_counts, with_usual_batch_size
from pellucid.architectures.feedforward import (
    OUTPUTS,
    check_loss,
    check_output,
    choices_of,
    feedforward,
    loss_and_network,
)
from pellucid.runs.given import dataset_of, with_weights
from pellucid.runs.keeping import data_of_run, keep_compiled_programs, restore, run_to_the_end
from pellucid.architectures.by_name import build_model
from pellucid.runs.notes import Notes
from pellucid.runs.own_loss import check_own_loss
from pellucid.runs.resuming import (
    changed,
    nothing_left,
    refuse_fewer_epochs,
    resettled,
    resumed_optimizer,
)
from pellucid.runs.run import DataFacts, Run, notes_of, program_of, target_for, warn_of_not_finite
from pellucid.runs.scaling import (
    ScalingChoice,
    describe_inputs,
    describe_targets,
    network_inputs,
    scaled_inputs,
    scaled_targets,
    scaling_of,
)
from pellucid.network import AnyNetwork, build_network, summarize
from pellucid.optimizers import FromOptax, Optimizer, as_optimizer, optimizers
from pellucid.runs.folder import RunFolder
from pellucid.training import (
    DEFAULT_GROUPS,
    EarlyStopping,
    History,
    Rows,
    Scaling,
    SnapshotTaker,
    Supervised,
    Training,
    TrainingState,
    initial_state,
)


def train(
    network: AnyNetwork | Specification | Sequence[int] | None,
    data: Dataset | tuple[Any, Any],
    *,
    loss: Loss | str | Mapping[str, Any] | None = None,
    optimizer: Any = "adam",
    metric: Metric | str | None = None,
    regularizer: Regularizer | str | Mapping[str, Any] | None = None,
    epochs: int = 10,
    batch_size: int | Literal["all"] | None = None,
    shuffle: bool = True,
    seed: int = 0,
    class_weights: Literal["balanced"] | Mapping[Any, float] | None = None,
    sample_weights: Any = None,
    scale_inputs: ScalingChoice = "auto",
    scale_targets: ScalingChoice = "auto",
    early_stopping: EarlyStopping | int | None = None,
    validation: float = 0.1,
    record_every: int = 20,
    record: Sequence[str] = DEFAULT_GROUPS,
    histograms_every: int = 0,
    snapshots: int = 0,
    folder: str | Path | None = None,
    overwrite: bool = False,
    checkpoint_every: float = 10.0,
    progress: bool = True,
) -> Run:
    """Train a network on data, compiled whole.

    The held-out rows are evaluated at the end of each epoch and decide nothing. Where something has to be
    decided during the training (early stopping, a schedule on plateaus), a validation part is taken from the training
    rows, stratified by class, and watched instead; the held-out rows are then evaluated once, at the end.

    Args:
        network: a `Network` or a `Graph`; a name, or a table of name and fields (``"cnn"``,
            ``{"name": "lstm", "units": [64]}``); or units of hidden layers, or None for one hidden layer of 128. All
            but the first are completed by the output layer that the target asks for.
        data: a `Dataset`, or arrays ``(x, y)``, of which a fifth is then held out; for an autoencoder ``x`` alone.
        loss: name or object; by default the one that fits the target.
        optimizer: name, object, or an `optax.GradientTransformation`.
        metric: name or object of what is measured beside the loss.
        regularizer: name or object: penalty on all weights, not on biases. The reported loss is without it.
        epochs: passes over the training rows, at least 1.
        batch_size: rows a step, or ``"all"`` of those that are trained on; by default 32, or all for gradient descent.
        shuffle: draw a new order of the training rows for each epoch; False takes them as they come.
        seed: decides initial weights, order of the rows and what layers draw.
        class_weights: ``"balanced"`` (rows / (classes · rows of the class)), or a weight for each class name. They
            weigh the training rows alone: held-out figures are without them.
        sample_weights: a weight for each row of ``(x, y)``, at least 0, which stays with its row when rows are held out
            or set aside for validation, and counts in their figures too. For a `Dataset`, give the weights to
            ``make_dataset(x, y, weights=…)``; or one for each row of ``data.train``, in its order.
        scale_inputs: ``"auto"`` takes the dataset's own preprocessing; ``"standardise"`` (mean 0, standard deviation
            1), ``"min_max"`` (0 … 1) and ``"none"`` replace it.
        scale_targets: the same for the targets of a regression. ``"auto"`` standardises each output, where the last
            layer has no bounds and the loss depends on prediction − target alone. The loss is then that of the scaled
            targets; predictions and metrics are in the target's own units.
        early_stopping: an `EarlyStopping`, or its patience in epochs.
        validation: share of the training rows for the validation part, where one is needed.
        record_every: steps between two measurements of the layers; 0 for none.
        record: what is measured of them: any of ``"activations"``, ``"gradients"``, ``"updates"``, ``"weights"`` and
            ``"noise"``, the signal-to-noise of the gradient. What is left out is not computed.
        histograms_every: steps between two histograms of the same, a multiple of ``record_every``; 0 for none.
        snapshots: how many states along the training to keep at most, evenly spaced; 0 for none.
        folder: run folder to save to, and to keep checkpoints in while training.
        overwrite: replace the run that ``folder`` holds already.
        checkpoint_every: seconds between checkpoints, where there is a folder.
        progress: show the progress on stderr, and at the end what held the training back, if anything did.

    Returns:
        The run: network, history, results.

    Raises:
        InvalidValue: a hyperparameter outside what is allowed.
        ShapeError: network, loss and target do not fit.
        DataError: data that cannot be trained on.
        StorageError: the folder holds a run already, or cannot be written.
        TrainingDiverged: the loss is no longer finite; says at which step and layer.

    Warns:
        DoctorWarning: something is certainly wrong with the program or the rows; the training is made all the same.

    Example:
        >>> from pellucid.data import load_dataset
        >>> from pellucid.optimizers import Adam
        >>> run = train((16,), load_dataset("iris"), optimizer=Adam(0.02), epochs=30, progress=False)
        >>> run.result["accuracy"] > 0.9
        True
    """
    data = dataset_of(data, network, loss, seed, sample_weights)
    planned = plan(
        network, data, loss=loss, optimizer=optimizer, metric=metric, regularizer=regularizer, epochs=epochs,
        batch_size=batch_size, shuffle=shuffle, seed=seed, class_weights=class_weights,
        scale_inputs=scale_inputs, scale_targets=scale_targets, early_stopping=early_stopping,
        validation=validation, record_every=record_every, record=record, histograms_every=histograms_every,
        snapshots=snapshots,
    )
    run = run_experiment(
        planned.experiment, planned.data, optimizer=planned.optimizer, network=planned.network,
        folder=folder, overwrite=overwrite, checkpoint_every=checkpoint_every,
        progress=progress, choices=planned.choices, before=_warn_of_problems, after=suspicion_of,
    )
    if progress and run.notes.suspicion:
        print(f"the doctor suspects {run.notes.suspicion}; run.diagnose() makes sure", file=sys.stderr)
    return run


# The doctor lies a floor above.
def _warn_of_problems(run: Run) -> list[str]:
    return importlib.import_module("pellucid.doctor.check").warn_of_problems(run)


def suspicion_of(run: Run) -> str | None:
    """What the doctor suspects by the records of a run alone."""
    return importlib.import_module("pellucid.doctor.diagnose").suspicion(run)


class Plan(NamedTuple):
    """A training that is settled and checked for its words, not yet begun."""

    experiment: Experiment
    """Its settings as plain data."""
    data: Dataset
    """The dataset, as the network takes it: an autoencoder's targets are its inputs."""
    network: AnyNetwork
    optimizer: Optimizer | FromOptax
    choices: tuple[str, ...] = ()
    """What was chosen where nothing was asked for, in words."""


def plan(
    network: AnyNetwork | Specification | Sequence[int] | None,
    data: Dataset | tuple[Any, Any],
    *,
    loss: Loss | str | Mapping[str, Any] | None = None,
    optimizer: Any = "adam",
    metric: Metric | str | None = None,
    regularizer: Regularizer | str | Mapping[str, Any] | None = None,
    epochs: int = 10,
    batch_size: int | Literal["all"] | None = None,
    shuffle: bool = True,
    seed: int = 0,
    class_weights: Literal["balanced"] | Mapping[Any, float] | None = None,
    scale_inputs: ScalingChoice = "auto",
    scale_targets: ScalingChoice = "auto",
    early_stopping: EarlyStopping | int | None = None,
    validation: float = 0.1,
    record_every: int = 20,
    record: Sequence[str] = DEFAULT_GROUPS,
    histograms_every: int = 0,
    snapshots: int = 0,
) -> Plan:
    """The experiment that `train` would run with these arguments, which are explained there.

    Example:
        >>> from pellucid.data import load_dataset
        >>> plan((16,), load_dataset("iris")).experiment.loss
        'sparse_categorical_cross_entropy'
    """
    asked_for = {
        "output layer": isinstance(network, AnyNetwork),
        "loss": loss is not None,
        "metric": metric is not None,
    }
    data = dataset_of(data, network, loss, seed)
    if isinstance(network, AnyNetwork):
        loss = losses.build(OUTPUTS[data.task].loss if loss is None else loss)
    else:
        if isinstance(network, (str, Mapping)):
            network, data = build_model(network, scaled_inputs(data, scale_inputs))
        else:
            network = feedforward(data, (128,) if network is None else network)
        loss, network = loss_and_network(loss, network, data)
    chosen = as_optimizer(optimizer)
    if isinstance(early_stopping, int):
        early_stopping = EarlyStopping(early_stopping)
    experiment = Experiment(
        network=network.describe(),
        loss=losses.describe(loss),
        metric=metrics.describe(OUTPUTS[data.task].metric if metric is None else metric),
        optimizer=describe(chosen) if isinstance(chosen, FromOptax) else optimizers.describe(chosen),
        regularizer=None if regularizer is None else regularizers.describe(regularizer),
        epochs=epochs,
        batch_size="all" if batch_size is None else batch_size,
        shuffle=shuffle,
        seed=seed,
        class_weights=_by_name(class_weights),
        scale_inputs=scale_inputs,
        scale_targets=scale_targets,
        patience=None if early_stopping is None else early_stopping.patience,
        min_delta=0.0 if early_stopping is None else early_stopping.min_delta,
        validation=validation,
        record_every=record_every,
        record=tuple(record),
        histograms_every=histograms_every,
        snapshots=snapshots,
        data={"name": data.name} | ({"task": data.task} if data.task == "reconstruction" else {}),
    )
    if batch_size is None:
        experiment = with_usual_batch_size(experiment, len(data.train), chosen.full_batch)
    return Plan(experiment, data, network, chosen, choices_of(data, experiment, asked_for))


def run_experiment(
    experiment: Experiment,
    data: Dataset,
    *,
    optimizer: Optimizer | FromOptax | None = None,
    network: AnyNetwork | None = None,
    folder: str | Path | None = None,
    overwrite: bool = False,
    checkpoint_every: float = 10.0,
    progress: bool = True,
    choices: Sequence[str] = (),
    before: Callable[[Run], Sequence[str] | None] | None = None,
    after: Callable[[Run], str | None] | None = None,
) -> Run:
    """Train what an experiment describes.

    Args:
        experiment: the settings.
        data: the dataset.
        optimizer: the optimiser as an object, where the settings cannot describe it (Optax).
        network: the network as an object, where its layers are not registered.
        folder: run folder to save to.
        overwrite: replace the run that ``folder`` holds already.
        checkpoint_every: seconds between checkpoints.
        progress: show the progress on stderr.
        choices: what was chosen where nothing was asked for, to be kept with the run.
        before: is shown the training before its first step, as a run; says what is wrong with it.
        after: is shown it at its end; says what it suspects. Asked where that is shown or kept.
    """
    keep_compiled_programs()
    ready, training = prepare(experiment, data, optimizer, network)
    files = None if folder is None else RunFolder(folder)
    # Only now, with all settings checked, is anything written: a slip costs no earlier run.
    if files is not None:
        files.begin(overwrite)
    return _to_the_end(
        experiment, data, ready, training, files, checkpoint_every, progress, Notes(tuple(choices)), before, after
    )


def _to_the_end(
    experiment: Experiment,
    data: Dataset,
    ready: "Ready",
    training: Training,
    files: RunFolder | None,
    checkpoint_every: float,
    progress: bool,
    notes: Notes,
    before: Callable[[Run], Sequence[str] | None] | None = None,
    after: Callable[[Run], str | None] | None = None,
    resumed: Sequence[dict[str, Any]] = (),
) -> Run:
    """Train from wherever the training is, and save what came of it."""
    program, facts = ready.program, DataFacts.of(ready.data)
    if experiment.snapshots:
        training.snapshots = SnapshotTaker(experiment.snapshots)

    def run_now(stopped: str) -> Run:
        return Run(
            program.network, training.params, training.layer_state, program, experiment, facts,
            training.history, {}, stopped, training=training, data=data, resumed=tuple(resumed), notes=notes,
        )

    if files is not None:
        files.write_manifest(run_now("epochs").manifest)
        files.write_experiment(experiment.to_dict())
    begins = not training.history.steps_made
    for said in (describe_inputs(data, program.network), describe_targets(facts.target_preprocessing)):
        if said and progress:
            print(said, file=sys.stderr)
        if said and said not in notes.choices:
            notes = replace(notes, choices=(*notes.choices, said))
    if before is not None and begins:
        notes = replace(notes, problems=tuple(before(run_now("epochs")) or ()))
    if files is not None:
        files.write_json("notes.json", notes.to_dict())
    try:
        stopped = run_to_the_end(
            training, experiment.epochs, files, checkpoint_every, progress, _optimizers(experiment)
        )
    except TrainingDiverged as error:
        if files is not None:  # so that it can be diagnosed
            notes = replace(notes, failure=str(error))
            diverged = run_now("diverged")
            diverged.folder = files.path
            diverged.save(files.path)
        raise
    run = run_now(stopped)
    if data.held_out is not None and training.history.steps_made:
        outputs = run.outputs(data.held_out.x)
        run.result |= run.figures(outputs, data.held_out)
        run.held_out_outputs = None if files is None else outputs
        warn_of_not_finite(run, outputs)
    shown = progress or files is not None
    if after is not None and shown and stopped != "interrupted" and training.history.steps_made:
        run.notes = replace(run.notes, suspicion=after(run))
    if files is not None:
        run.folder = files.path
        run.save(files.path)
    return run


def resume_run(
    folder: str | Path,
    data: Dataset | None = None,
    *,
    epochs: int | None = None,
    optimizer: Any = None,
    learning_rate: float | None = None,
    early_stopping: EarlyStopping | int | None = None,
    sample_weights: Any = None,
    checkpoint_every: float = 10.0,
    progress: bool = True,
) -> Run:
    """Go on with a training that was interrupted, killed or has ended; without changes bit for bit as if it had never
    stopped.

    What is changed holds from here on; ``experiment.toml`` then holds the new settings, ``manifest.json`` under
    ``resumed`` what they were before and at which step they changed. The running averages of an optimiser (its
    momentum) are kept where the new one is of the same kind, and begin anew where it is of another.

    Args:
        folder: its run folder.
        data: its data, where they came as arrays and cannot be loaded by name or path.
        epochs: another number of epochs in all, to train longer than was planned.
        optimizer: another optimiser, name or object; one that came from Optax is given again.
        learning_rate: another learning rate, for the optimiser of the run or for ``optimizer``.
        early_stopping: another patience, of a run that has one; more of it goes on after an early stop.
        sample_weights: its weights, where it had any and ``data`` does not hold them: one for each training row.
        checkpoint_every: seconds between checkpoints.
        progress: show the progress on stderr.

    Raises:
        StorageError: no run there, a checkpoint that was altered, or data other than those of the run.
        InvalidValue: a change that the run does not allow, such as a patience where it has no early stopping.

    Warns:
        ResumeWarning: no step was made, since the training has ended; says what to give that it goes on.
    """
    files = RunFolder(folder)
    saved = Experiment.from_dict(files.read_experiment())
    chosen = resumed_optimizer(saved.optimizer, optimizer, learning_rate, saved.batch_size)
    experiment = resettled(saved, epochs, chosen, early_stopping)
    data = with_weights(data_of_run(files, saved.data, data), sample_weights)
    keep_compiled_programs()
    ready, training = _taken_up(experiment, data, chosen, files)
    refuse_fewer_epochs(training, epochs)
    if training.ended(experiment.epochs):
        if files.has("report.html"):
            said = nothing_left(training, experiment.epochs, "resume_run", files.path)
            warnings.warn(said, ResumeWarning, stacklevel=2)
        if training.ended(saved.epochs) and experiment != saved:  # what changes nothing is not written down
            chosen = chosen if saved.optimizer == "optax" else as_optimizer(saved.optimizer)
            experiment = saved
            ready, training = _taken_up(saved, data, chosen, files)
    resumed = files.read_json("manifest.json").get("resumed", []) + changed(saved, experiment, training)
    notes = replace(notes_of(files), failure=None, suspicion=None)
    return _to_the_end(
        experiment, data, ready, training, files, checkpoint_every, progress, notes, after=suspicion_of, resumed=resumed
    )


def _taken_up(
    experiment: Experiment, data: Dataset, optimizer: Optimizer | FromOptax, files: RunFolder
) -> "tuple[Ready, Training]":
    """The training of an experiment, where the last checkpoint of its folder is."""
    ready, training = prepare(experiment, data, optimizer, None)
    restore(training, files, _optimizers(experiment))
    return ready, training


def _optimizers(experiment: Experiment) -> dict[str, Any]:
    return {"optimizer": experiment.to_dict()["optimizer"]}


# The trainings of a population ask for the same table again and again, each time tracing the network.
summary_of = lru_cache(maxsize=64)(summarize)


class Ready(NamedTuple):
    """A training whose settings fit its data; its state is not drawn yet."""

    program: Supervised
    data: Dataset
    """With inputs and targets scaled as the settings say."""
    optimizer: Optimizer | FromOptax
    regularizer: Regularizer | None
    scaling: Scaling
    train: Rows
    monitor: Rows | None
    stopping: EarlyStopping | None
    decides: bool
    """Whether something is decided during the training, on a validation part that the seed chooses."""

    @property
    def scaled_targets(self) -> bytes:
        """What the scaling of the targets is: equal bytes, equal scaling."""
        targets = self.data.target_preprocessing
        return targets.shift.tobytes() + targets.scale.tobytes()

    def draw(self, seed: int | Array) -> TrainingState:
        """The state before the first step."""
        return initial_state(
            self.program.network, self.optimizer, self.regularizer, self.data.input_shape, seed,
            recorder=self.program.recorder,
        )

    def training(self, state: TrainingState) -> Training:
        """The training, from ``state`` on."""
        history = History.begin(self.program, self.train.rows)
        return Training(
            self.program,
            self.scaling,
            self.train,
            self.monitor,
            self.optimizer,
            state,
            history,
            self.stopping,
        )


def prepare(
    experiment: Experiment,
    data: Dataset,
    optimizer: Optimizer | FromOptax | None,
    network: AnyNetwork | None,
) -> tuple[Ready, Training]:
    """The parts of an experiment's training, and the training at its beginning; raises as ``make_ready``."""
    ready = make_ready(experiment, data, optimizer, network)
    training = ready.training(ready.draw(experiment.seed))
    check_own_loss(training)
    return ready, training


def training_again(run: Run, data: Dataset | None = None) -> Training:
    """The training of a run that was loaded, at its beginning, on the rows and with the weights that it had.

    Args:
        run: a run with a folder.
        data: its data, where they came as arrays.

    Raises:
        StorageError: no data by that name, or other data than those of the run.
        InvalidValue: an optimiser from Optax, which its folder cannot describe.
    """
    assert run.folder is not None
    data = data_of_run(RunFolder(run.folder), run.experiment.data, data)
    training = prepare(run.experiment, data, None, run.network)[1]
    if run.row_weights is not None:
        training.train = training.train._replace(weights=jnp.asarray(run.row_weights))
    return training


def make_ready(
    experiment: Experiment,
    data: Dataset,
    optimizer: Optimizer | FromOptax | None,
    network: AnyNetwork | None,
) -> Ready:
    """The parts of an experiment's training, checked.

    Raises:
        InvalidValue: a setting outside what is allowed.
        ShapeError: network, loss and target do not fit.
    """
    network = (network or build_network(experiment.network)).accepting(data.input_shape)
    data = network_inputs(data, experiment.scale_inputs, network)
    data = scaled_targets(data, experiment.scale_targets, network, losses.build(experiment.loss))
    optimizer = optimizer or as_optimizer(experiment.optimizer)
    regularizer = None if experiment.regularizer is None else regularizers.build(experiment.regularizer)
    stopping = None
    if experiment.patience is not None:
        stopping = EarlyStopping(experiment.patience, experiment.min_delta)
    train_part, monitor = data.train, data.held_out
    if experiment.decides:
        train_part, monitor = _validation(data, experiment)
    check_counts(experiment, len(train_part))
    program = program_of(experiment, network, len(train_part))
    check_output(network, summary_of(network, data.input_shape).rows[-1].output_shape, program.loss, data)
    check_loss(network, program.loss, data)

    def rows(part: Part, weights: np.ndarray | None) -> Rows:
        weighed = None if weights is None else jnp.asarray(weights)
        if data.task == "reconstruction":
            return Rows(jax.device_put(part.x), None, weighed)
        y = target_for(program.loss, part.y, data.outputs)
        if not data.target_preprocessing.is_identity:
            y = data.target_preprocessing.apply_numpy(y)
        return Rows(jax.device_put(part.x), jnp.asarray(y), weighed)

    return Ready(
        program,
        data,
        optimizer,
        regularizer,
        scaling_of(data.preprocessing, data.target_preprocessing),
        rows(train_part, _weights(train_part, experiment.class_weights, data)),
        None if monitor is None else rows(monitor, _known_weights(monitor)),
        stopping,
        experiment.decides,
    )


def _validation(data: Dataset, experiment: Experiment) -> tuple[Part, Part]:
    """The training rows without a validation part, and that part."""
    if not 0 < experiment.validation < 1:
        raise InvalidValue(
            f"validation must lie between 0 and 1, both excluded. Received: {experiment.validation!r}."
        )
    places = Part(np.arange(len(data.train)), data.train.y)
    by_class = data.task in ("binary", "multiclass")
    kept, watched = split(places, experiment.validation, experiment.seed, stratify=by_class)
    return data.train.take(kept.x), data.train.take(watched.x)


def _weights(part: Part, class_weights: Any, data: Dataset) -> np.ndarray | None:
    """What each training row weighs, of its own and by its class; of mean 1. None where all weigh the same."""
    weights = _known_weights(part)
    if class_weights is not None:
        of_class = _class_weights(class_weights, data)[part.y.reshape(len(part)).astype(int)]
        weights = of_class if weights is None else weights * of_class
    if weights is None:
        return None
    mean = weights.mean(dtype=np.float64)
    if mean == 0:
        raise InvalidValue(
            "class_weights give every row to train on the weight 0: nothing is left to learn from."
        )
    return (weights / mean).astype(np.float32)


def _known_weights(part: Part) -> np.ndarray | None:
    """The weights of the rows of a part, which must not all be 0."""
    if part.weights is not None and not part.weights.any():
        raise DataError(
            f"the {len(part)} rows of one part of the split all weigh 0, so that nothing can be said of them. Give "
            "more rows that weigh something, or another seed."
        )
    return part.weights


def _by_name(class_weights: Any) -> Any:
    """Class weights as experiment.toml holds them, whose keys are text."""
    if not isinstance(class_weights, Mapping):
        return class_weights
    return {str(name): weight for name, weight in class_weights.items()}


def _class_weights(class_weights: Any, data: Dataset) -> np.ndarray:
    if data.task not in ("binary", "multiclass"):
        raise InvalidValue(
            f"class_weights need a target of classes; this one is {data.task}. Use sample_weights."
        )
    if class_weights == "balanced":
        counts = np.bincount(data.train.y.reshape(-1).astype(int), minlength=len(data.classes))
        return (len(data.train) / (len(data.classes) * np.maximum(counts, 1))).astype(np.float32)
    if not isinstance(class_weights, Mapping):
        raise InvalidValue(
            f'class_weights must be "balanced" or a weight for each class. Received: {class_weights!r}.'
        )
    given = _by_name(class_weights)
    for name, weight in given.items():
        if name not in data.classes:
            raise InvalidValue(
                f"class_weights name the class {name!r}; the classes are {', '.join(data.classes)}."
            )
        require(weight, NOT_NEGATIVE, f"the class weight of {name!r}")
    return np.array([given.get(name, 1.0) for name in data.classes], np.float32)
