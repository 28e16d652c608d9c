"""Prepare a training: compiled program, rows and initial state, all checked."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from pellucid.architectures.gan import GAN, check_players
from pellucid.architectures.tasks import check_loss, check_output
from pellucid.core.constraints import NOT_NEGATIVE, POSITIVE, require
from pellucid.core.errors import DataError, InvalidValue, did_you_mean
from pellucid.core.types import Array
from pellucid.data import Dataset, Part, validation_rows
from pellucid.data.arrays import aligned_rows
from pellucid.data.several import ordered
from pellucid.data.stream import refuse_stream
from pellucid.data.transcription import steps_needed
from pellucid.functions.ctc import CTC
from pellucid.functions.losses import JointLoss, Loss, losses
from pellucid.functions.metrics import JointMetric, metrics
from pellucid.functions.regularizers import regularizers
from pellucid.network import ByLayer, Network, matching, rate_factors, summarize, trained_layers
from pellucid.optimizers import FromOptax, Optimizer, as_optimizer
from pellucid.runs import streams
from pellucid.runs.experiment import Experiment
from pellucid.runs.lengths import cuts_of, lengths_of
from pellucid.runs.measures import built, check_metrics, check_step_metric
from pellucid.runs.plan import networks_of
from pellucid.runs.scaling import network_inputs, real_steps, scaled_targets, scaling_of
from pellucid.runs.starting import StartingWeights, match, source_of
from pellucid.training import (
    Adversarial,
    EarlyStopping,
    History,
    Recorder,
    Rows,
    Scaling,
    Supervised,
    Training,
    TrainingState,
    initial_state,
    lipschitz_constraints,
)
from pellucid.training.feed import Feed

# The trainings of a population ask for the same table again and again, each time tracing the network.
summary_of = lru_cache(maxsize=64)(summarize)


class Ready(NamedTuple):
    """A training whose settings fit its data; its state is not initialised yet."""

    program: Supervised | Adversarial
    data: Dataset
    """With inputs and targets scaled as the settings say."""
    optimizers: dict[str, Optimizer | FromOptax]
    """By where its state is kept: ``"optimizer"``, or ``"optimizer/generator"`` and ``"optimizer/critic"``."""
    regularizer: Any
    """The penalty on the weights, or the Lipschitz constraint of the critic; None for none."""
    scaling: Scaling
    train: Rows
    monitor: Rows | None
    stopping: EarlyStopping | None = None
    decides: bool = False
    """True where early stopping or a schedule decides on a validation part."""
    average_weights: float | None = None
    """Decay of the weights' moving average."""
    initial: StartingWeights | None = None
    feed: Feed | None = None
    """Where the rows are read while they are trained on, of which ``train`` is then a sample."""

    @property
    def optimizer(self) -> Optimizer | FromOptax:
        """The optimiser whose learning rate is followed: of the network, or of the generator."""
        return next(iter(self.optimizers.values()))

    @property
    def network(self) -> Network:
        """The network of a supervised training."""
        assert isinstance(self.program, Supervised)
        return self.program.network

    @property
    def scaled_targets(self) -> bytes:
        """Bytes of the targets' scaling, equal for equal scalings."""
        parts = self.data.target_preprocessing.parts
        return b"".join(part.shift.tobytes() + part.scale.tobytes() + bytes([part.log]) for part in parts)

    @property
    def given(self) -> ByLayer:
        """The arrays that its layers start from, by layer; others are initialised."""
        if self.initial is None:
            return {}
        matches = match(self.network, self.data.input_shape, self.initial.arrays)
        return {one.layer: {name: self.initial.arrays[one.layer][name] for name in one.taken} for one in matches}

    def initial_state(self, seed: int | Array) -> TrainingState:
        """The state before the first step."""
        shape = self.data.input_shape
        if isinstance(self.program, Adversarial):
            return self.program.init(*self.optimizers.values(), self.regularizer, shape, seed)
        return initial_state(
            self.program.network,
            self.optimizer,
            self.regularizer,
            shape,
            seed,
            recorder=self.program.recorder,
            average=self.average_weights,
            given=self.given,
        )

    def training(self, state: TrainingState) -> Training:
        """The training, from ``state`` on."""
        history = History.begin(self.program, self.train.rows if self.feed is None else self.feed.rows)
        return Training(
            self.program,
            self.scaling,
            self.train,
            self.monitor,
            self.optimizer,
            state,
            history,
            self.stopping,
            feed=self.feed,
        )


def make_ready(
    experiment: Experiment,
    data: Dataset,
    network: Network | GAN | None = None,
    optimizer: Optimizer | FromOptax | None = None,
    initial: StartingWeights | None = None,
) -> Ready:
    """Make the parts of an experiment's training and check that they fit together.

    Args:
        experiment: the settings.
        data: the dataset, as the network takes it.
        network: the network as an object, where its layers are not registered.
        optimizer: the optimiser as an object, where the settings cannot describe it (Optax).
        initial: the weights that layers start from, which the settings only name.

    Raises:
        InvalidValue: a setting outside what is allowed.
        ShapeError: network, loss and target do not fit.
        DataError: rows that cannot be trained on.
    """
    experiment.check()
    network = networks_of(experiment) if network is None else network
    optimizer = optimizer or as_optimizer(experiment.optimizer)
    if isinstance(network, GAN):
        return _adversarial(experiment, data, network, optimizer)
    if experiment.initial is not None and initial is None:
        raise InvalidValue(
            f"this experiment starts from the weights of {source_of(experiment.initial)}, which are not given. Begin "
            "it from its run folder, which keeps them."
        )
    return _supervised(experiment, data, network, optimizer, initial)


def program_of(experiment: Experiment, network: Network | GAN, rows: int) -> Supervised | Adversarial:
    """Build the program of an experiment; ``rows`` are trained on."""
    recorder = Recorder(experiment.record_every, experiment.record, experiment.histograms_every)
    size = experiment.rows_of_step(rows)
    if isinstance(network, GAN):
        steps = experiment.critic_steps or 1
        generator, critic = (net.in_precision(experiment.precision) for net in (network.generator, network.critic))
        return Adversarial(generator, critic, network.latent, experiment.loss, size, steps, recorder)
    network = network.in_precision(experiment.precision).recomputing(experiment.remat)
    loss: Any
    metric: Any
    if len(network.outputs) > 1:
        loss = joint_loss(experiment, network)
        metric = JointMetric(tuple(experiment.metric[name] for name in network.output_names), network.output_names)
    else:
        loss, metric = losses.build(experiment.loss), metrics.build(experiment.metric)
    metric, factors = metric.beside(loss), experiment.learning_rate_multipliers
    return Supervised(
        network,
        loss,
        metric,
        size,
        recorder,
        experiment.shuffle,
        experiment.accumulate,
        rate_factors(network, factors) if factors else None,
    )


def joint_loss(experiment: Experiment, network: Network) -> JointLoss:
    """The losses of several outputs, weighted.

    Raises:
        InvalidValue: a weight of an output that the network does not have.
    """
    names, weights = network.output_names, experiment.loss_weights or {}
    for name in weights:
        if name not in names:
            raise InvalidValue(
                f"loss_weights name {name!r}.{did_you_mean(name, names)} The network's outputs: {', '.join(names)}."
            )
    return JointLoss(tuple(experiment.loss[name] for name in names), tuple(weights.get(name, 1.0) for name in names))


def _supervised(
    experiment: Experiment,
    data: Dataset,
    network: Network,
    optimizer: Optimizer | FromOptax,
    initial: StartingWeights | None,
) -> Ready:
    loss: Any = joint_loss(experiment, network) if len(network.outputs) > 1 else losses.build(experiment.loss)
    if data.task != "translation":
        network = network.accepting(data.input_shape)
        data = ordered(data, network.inputs, network.output_names)
        data = network_inputs(data, experiment.scale_inputs, network)
        data = scaled_targets(data, experiment.scale_targets, network, loss)
        data = data if initial is None else initial.scaled(data, experiment)
    train_part, monitor, span, rows_in_all = data.train, data.held_out, None, len(data.train)
    if data.stream is not None:
        streams.check(data, experiment, experiment.metrics)
        span, train_part, watched = streams.divide(data, experiment)
        monitor, rows_in_all = watched or monitor, data.stream.rows(span)
    elif experiment.decides:
        train_part, monitor = (data.train.take(rows) for rows in _validation_rows(data, experiment))
        rows_in_all = len(train_part)
    _check_batch_size(experiment, rows_in_all)
    program = program_of(experiment, network, rows_in_all)
    assert isinstance(program, Supervised)
    if experiment.group_by_length:
        program = replace(program, cuts=cuts_of(program.network, data, experiment.shuffle))
    for metric in program.metric.metrics if isinstance(program.metric, JointMetric) else (program.metric,):
        check_step_metric(metric)
    for pattern, factor in (experiment.learning_rate_multipliers or {}).items():
        require(factor, POSITIVE, f"learning_rate_multipliers[{pattern!r}]")
        matching(pattern, trained_layers(network, data.input_shape), "learning_rate_multipliers")
    if data.task != "translation":
        rows = summary_of(network, data.input_shape).rows
        for part, end, one in zip(outputs_of_network(network), network.ends, each_output(loss, data), strict=True):
            check_output(part, rows[end].output_shape, *one)
            check_loss(part, *one)
            if one[1].task == "transcription":
                _check_lengths(network, rows[end].output_shape[0], data)
            check_metrics(built(metrics_of_output(experiment, part)), part, *one)

    def to_rows(part: Part) -> Rows:
        return _rows(part, _weights(part, experiment.class_weights, data), loss, data, program)

    feed = None if span is None else streams.feed_of(data, span, experiment, program.batch_size, to_rows)
    return Ready(
        program,
        data,
        {"optimizer": optimizer},
        None if experiment.regularizer is None else regularizers.build(experiment.regularizer),
        scaling_of(data.preprocessing, data.target_preprocessing, dtype=program.dtype),
        to_rows(train_part),
        None if monitor is None else _rows(monitor, _known_weights(monitor), loss, data, program),
        experiment.stopping,
        experiment.decides,
        experiment.average_weights,
        initial,
        feed,
    )


def _adversarial(experiment: Experiment, data: Dataset, networks: GAN, optimizer: Optimizer | FromOptax) -> Ready:
    refuse_stream(data, "a GAN")
    if data.train.weights is not None:
        raise InvalidValue(
            f"the rows of {data.name!r} have weights, and a GAN takes all its rows alike: leave the weights out."
        )
    check_players(networks, data)
    rows = len(data.train)
    program = program_of(experiment, networks, rows)
    if program.batch_size > rows:
        raise InvalidValue(
            f"a step takes batch_size · critic_steps = {program.batch_size} rows, but the training part has {rows}. "
            f"Take a batch_size of at most {rows // (experiment.critic_steps or 1)}."
        )
    constraint = experiment.lipschitz_constraint
    critic = experiment.critic_optimizer
    return Ready(
        program,
        data,
        {"optimizer/generator": optimizer, "optimizer/critic": optimizer if critic is None else as_optimizer(critic)},
        None if constraint is None else lipschitz_constraints.build(constraint),
        scaling_of(data.preprocessing, dtype=program.dtype),
        Rows(_put(data.train.x), None),
        None if data.held_out is None else Rows(_put(data.held_out.x), None),
    )


def _check_batch_size(experiment: Experiment, rows: int) -> None:
    if experiment.batch_size != "all" and experiment.batch_size > rows:
        raise InvalidValue(
            f"batch_size is {experiment.batch_size}, but there are only {rows} rows to train on"
            f"{', without those for validation' if experiment.decides else ''}. "
            f'Take at most {rows}, or "all" for gradient descent on all rows at once.'
        )
    if experiment.accumulate > rows or experiment.rows_of_step(rows) > rows:
        of_batch = "" if experiment.batch_size == "all" else f"batches of {experiment.batch_size} rows for "
        raise InvalidValue(
            f"accumulate adds up {of_batch}{experiment.accumulate} parts of an update, more than the {rows} rows to "
            "train on. Take fewer."
        )


def _check_lengths(network: Network, steps: int, data: Dataset) -> None:
    """Refuse sequences of labels that are too long for the steps of the network's output."""
    for part, what in ((data.train, "training"), (data.held_out, "held-out")):
        if part is None:
            continue
        needed, real = steps_needed(part.y), real_steps(part, network, steps).sum(axis=1)
        if (needed > real).any():
            row = int(np.argmax(needed > real))
            count = int((part.y[row] >= 0).sum())
            source = row if part.rows is None else part.rows[row]
            raise DataError(
                f"the {what} row {source} has {count} labels, which need {needed[row]} steps (one a label, one between "
                f"two of the same), and the network answers at {real[row]} ({int((needed > real).sum()):,} such rows "
                "in all). Give longer sequences, pool less, or leave the rows out."
            )


def metrics_of_output(experiment: Experiment, network: Network) -> Any:
    """The metrics of the whole held-out part that one output of a network is asked for."""
    asked = experiment.metrics
    return asked.get(network.output_names[0]) if isinstance(asked, Mapping) else asked


def each_output(loss: Loss | JointLoss, data: Dataset) -> list[tuple[Loss, Dataset]]:
    """The loss of each output with the dataset of its target alone."""
    if isinstance(loss, JointLoss):
        return [(part, data.of_output(name)) for part, name in zip(loss.losses, data.heads, strict=True)]
    return [(loss, data)]


def outputs_of_network(network: Network) -> list[Network]:
    """The network with each of its outputs alone."""
    return [network.ending_in(name) for name in network.output_names]


def target_for(loss: Loss, y: np.ndarray, outputs: int) -> np.ndarray:
    """Convert stored targets to the form of the loss: one-hot, or 1 and −1, where it asks for it."""
    if isinstance(loss, CTC):
        return loss.encode(y)
    one_hot = loss.target_kind == "one_hot" or loss.reads == "margins"
    if one_hot and y.ndim == 1:
        y = np.eye(outputs, dtype=np.float32)[y]
    return 2 * y - 1 if loss.target_range == (-1, 1) else y


def _put(rows: Any) -> Any:
    # JAX shares the memory of an array that begins on 64 bytes: never of one that may be written to later.
    return jax.tree.map(lambda array: jax.device_put(_kept(array)), rows)


def _kept(array: np.ndarray) -> np.ndarray:
    return aligned_rows(array, slice(None)) if array.flags.writeable else array


def _rows(part: Part, weights: np.ndarray | None, loss: Any, data: Dataset, program: Supervised) -> Rows:
    weighed = None if weights is None else _put(weights)
    x = _put(part.x)
    if data.task == "reconstruction":
        return Rows(x, None, weighed)
    if data.task == "translation":
        return Rows(x, _put(part.y), weighed)
    y = targets_of(loss, part.y, data)
    if not data.target_preprocessing.is_identity:
        y = data.target_preprocessing.apply_numpy(y)
    lengths = _put(lengths_of(program.network, part)) if program.cuts else None
    return Rows(x, _put(y), weighed, lengths=lengths)


def targets_of(loss: Any, y: Any, facts: Any) -> Any:
    """Stored targets in the form of the loss; of several outputs each in that of its own.

    Args:
        loss: the loss, or joint losses.
        y: targets as a `Part` stores them.
        facts: a dataset, or the facts of one.
    """
    if not isinstance(loss, JointLoss):
        return target_for(loss, y, facts.outputs)
    heads = facts.heads.values()
    return tuple(target_for(part, one, head.outputs) for part, one, head in zip(loss.losses, y, heads, strict=True))


def _validation_rows(data: Dataset, experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """The indices of the rows that are trained on, and of those that are watched instead."""
    return validation_rows(data, experiment.validation, experiment.seed)


def with_row_weights(data: Dataset, experiment: Experiment, weights: np.ndarray) -> Dataset:
    """Give the rows that an experiment trains on the weights that its run kept; rows of a validation part weigh 1."""
    every = np.ones(len(data.train), np.float32)
    every[_validation_rows(data, experiment)[0] if experiment.decides else slice(None)] = weights
    return replace(data, train=replace(data.train, weights=every))


def _weights(part: Part, class_weights: Any, data: Dataset) -> np.ndarray | None:
    """Weight of each training row, by itself and its class, of mean 1; None if all are equal."""
    # Of a window of a stream they may all be 0; those of all its rows are not.
    weights, by_class = _known_weights(part) if data.stream is None else part.weights, np.ones(1)
    if class_weights is not None:
        by_class = _class_weights(class_weights, data)
        soft = part.y.ndim == 2 and part.y.shape[1] > 1
        of_class = part.y @ by_class if soft else by_class[part.labels]
        weights = of_class if weights is None else weights * of_class
    if weights is None:
        return None
    totals = None if data.stream is None else data.stream.totals
    mean = weights.mean(dtype=np.float64) if totals is None else totals.mean_weight(by_class)
    if mean == 0:
        raise InvalidValue("class_weights give every row to train on the weight 0: nothing is left to learn from.")
    return (weights / mean).astype(np.float32)


def _known_weights(part: Part) -> np.ndarray | None:
    """The weights of the rows of a part, which must not all be 0."""
    if part.weights is not None and not part.weights.any():
        raise DataError(
            f"the {len(part)} rows of one part of the split all weigh 0, so that nothing can be said of them. Give "
            "more rows that weigh something, or another seed."
        )
    return part.weights


def _class_weights(class_weights: Any, data: Dataset) -> np.ndarray:
    if data.heads:
        raise InvalidValue(
            f"class_weights need one target of classes; {data.name!r} has {len(data.heads)}. Weigh rows by "
            "sample_weights, or outputs by loss_weights."
        )
    if data.task not in ("binary", "multiclass"):
        raise InvalidValue(f"class_weights need a target of classes; this one is {data.task}. Use sample_weights.")
    if class_weights == "balanced":
        part, count = data.train, len(data.classes)
        totals = None if data.stream is None else data.stream.totals
        if totals is not None:
            counts = totals.rows
        else:
            counts = np.bincount(part.labels, minlength=count) if data.stratifies else part.y.sum(axis=0)
        return (data.rows / (count * np.maximum(counts, 1))).astype(np.float32)
    if not isinstance(class_weights, Mapping):
        raise InvalidValue(f'class_weights must be "balanced" or a weight for each class. Received: {class_weights!r}.')
    for name, weight in class_weights.items():
        if name not in data.classes:
            raise InvalidValue(f"class_weights name the class {name!r}; the classes are {', '.join(data.classes)}.")
        require(weight, NOT_NEGATIVE, f"the class weight of {name!r}")
    return np.array([class_weights.get(name, 1.0) for name in data.classes], np.float32)
