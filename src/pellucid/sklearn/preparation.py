"""From an estimator and its rows to a training: network, program, optimiser and rows on the device."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from pellucid.architectures.tasks import check_loss, check_output
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.tunable import as_arrays
from pellucid.data import Dataset, Part
from pellucid.data.arrays import fit_preprocessing
from pellucid.functions.regularizers import L2
from pellucid.network import Network
from pellucid.optimizers import SGD, Optimizer, optimizers
from pellucid.runs.ready import summary_of, targets_of
from pellucid.runs.scaling import network_inputs, scaled_targets, scaling_of
from pellucid.sklearn.model import Model
from pellucid.sklearn.objective import Penalized
from pellucid.sklearn.parameters import AUTO_ROWS, LBFGS
from pellucid.training import Recorder, Rows, Scaling, TargetScaling, TrainingState, initial_state
from pellucid.training.state import with_numbers

FEW = (25, 50, 100, AUTO_ROWS)
"""Numbers of rows that fewer are filled up to; more than the last of them to an eighth of a power of two."""
SMALL = 2**25
"""Most bytes of rows of which there may be more than are needed."""


class Prepared(NamedTuple):
    """A training of an estimator, checked; its state is not made yet."""

    data: Dataset
    program: Penalized
    optimizer: Any
    """None for lbfgs."""
    penalty: L2
    scaling: Scaling
    train: Rows
    monitor: Rows | None
    seed: int

    @property
    def network(self) -> Network:
        """The network."""
        return self.program.network

    def first_state(self, given: Any) -> TrainingState:
        """The state before the first step; arrays by layer that are ``given`` are taken as such."""
        optimizer = SGD() if self.optimizer is None else self.optimizer
        registered = isinstance(optimizer, Optimizer) and optimizer.name in optimizers
        # Compiled with the usual numbers, so that no others compile it again.
        usual = optimizers.build(optimizer.name) if registered else optimizer
        state = initial_state(self.network, usual, L2(), self.data.input_shape, self.seed, given=given)
        state = with_numbers(state, optimizer) if registered else state
        return state._replace(regularizer=as_arrays(self.penalty, self.network.dtype))

    def model(self, state: TrainingState, epochs: int, optimizer: Any, records: Any, measures: Any) -> Model:
        """What the estimator keeps of it."""
        data = self.data
        return Model(
            self.program,
            optimizer,
            state,
            self.seed,
            data.encoder,
            data.preprocessing,
            data.target_preprocessing,
            data.input_shape,
            epochs,
            data,
            records,
            measures,
        )


def prepare(estimator: Any, data: Dataset, before: Model | None, seed: int) -> Prepared:
    """Prepare the training of an estimator.

    Args:
        estimator: whose parameters it takes.
        data: the rows.
        before: the model to train on, whose network and scaling stay; None for a new one.
        seed: of dropout and of the order of the rows.

    Raises:
        InvalidValue: parameters that do not fit each other or the rows.
    """
    lbfgs, weights = estimator._by_lbfgs, data.train.weights
    if weights is not None and not weights.any():
        raise InvalidValue("all rows weigh 0: there is nothing to learn from.")
    if before is None:
        data = _scaled(data, estimator.scale_inputs)
        network = estimator._network(data).accepting(data.input_shape)
        loss, network, scale = estimator._loss_of(data, network)
        data = network_inputs(data, estimator.scale_inputs, network)
        data = scaled_targets(data, getattr(estimator, "scale_targets", "none"), network, loss)
        check_output(network, summary_of(network, data.input_shape).rows[-1].output_shape, loss, data)
        check_loss(network, loss, data)
        network = network.in_precision("float64" if lbfgs else "float32")
    else:
        network, loss, scale = before.network, before.loss, before.program.scale
        data = _as_before(data, before)
    relative = estimator._relative_weights and not lbfgs
    mean = 1.0 if weights is None or not relative else float(weights.mean(dtype=np.float64))
    optimizer = None if lbfgs else estimator._optimizer(len(data.train))
    if lbfgs:
        _check_lbfgs(network)
        weights = np.ones(len(data.train)) if weights is None else weights
    size = estimator._rows_of_step(len(data.train), optimizer is None or optimizer.full_batch)
    whole = size >= len(data.train)
    # What depends on the batch would see the rows that fill it up.
    alone = any(layer.depends_on_batch for layer in network.layers)
    room = len(data.train) if alone else room_for(data.train)
    train = _rows(data.train, loss, data, room, None if weights is None else weights / mean, network.dtype)
    scaling, monitor = scaling_of(data.preprocessing, dtype=network.dtype), None
    if data.held_out is not None:
        monitor = _rows(data.held_out, loss, data, room_for(data.held_out), None, network.dtype)
        if data.task == "regression":
            scaling = scaling._replace(targets=_spread(np.asarray(monitor.y)[: len(data.held_out)]))
    # A batch of all rows has no order: without drawing one, its program compiles in two thirds of the time.
    shuffle, metric = bool(estimator.shuffle) and not whole, estimator._metric_of(data, loss)
    program = Penalized(network, loss, metric, room if whole else size, Recorder(0), shuffle, scale=scale)
    penalty = L2(estimator.alpha / 2 / mean)
    return Prepared(data, program, optimizer, penalty, scaling, train, monitor, seed)


def room_for(part: Part) -> int:
    """The number of rows that a part is filled up to: at most a seventh more, and none where they are many bytes.

    Folds of 1,437 and 1,438 rows then share a program: on small data compiling takes longer than training.
    """
    count = len(part)
    if part.x.nbytes > SMALL:
        return count
    if count <= FEW[-1]:
        return next(room for room in FEW if room >= count)
    step = 2 ** (count.bit_length() - 4)
    return -(-count // step) * step


def _scaled(data: Dataset, choice: str) -> Dataset:
    return replace(data, preprocessing=fit_preprocessing(data.train.x, choice, data.encoder), scaling=choice)


def _as_before(data: Dataset, before: Model) -> Dataset:
    if data.input_shape != before.input_shape:
        raise ShapeError(
            f"the network takes examples of shape {before.input_shape}. Received: examples of shape {data.input_shape}."
        )
    return replace(
        data, preprocessing=before.preprocessing, target_preprocessing=before.target_preprocessing, scaling=None
    )


def _rows(part: Part, loss: Any, data: Dataset, room: int, weights: np.ndarray | None, dtype: Any) -> Rows:
    """The rows on the device, the last one again and again until they fill the room."""
    count = len(part)
    part = part if room == count else part.take(np.minimum(np.arange(room), count - 1))
    if weights is not None:
        weights = jax.device_put(np.pad(weights, (0, room - count)).astype(dtype))
    rows = Rows(jax.device_put(part.x), None, weights, used=jax.device_put(np.int32(count)))  # pyright: ignore[reportArgumentType]
    if data.task == "reconstruction":
        return rows
    y = targets_of(loss, part.y, data)
    if not data.target_preprocessing.is_identity:
        y = data.target_preprocessing.apply_numpy(y)
    return rows._replace(y=jax.device_put(y))


def _spread(y: np.ndarray) -> TargetScaling:
    """Units in which the mean squared error is 1 − R²."""
    spread = y.std(axis=0)
    spread = np.where(spread == 0, 1, spread).astype(np.float32)
    return TargetScaling(jax.device_put(np.zeros_like(spread)), jax.device_put(spread))


def _check_lbfgs(network: Network) -> None:
    for name, layer in zip(network.names, network.layers, strict=True):
        if layer.depends_on_batch or layer.in_prediction:
            raise InvalidValue(
                f"solver={LBFGS!r} needs a loss that is the same at each evaluation; the layer {name} draws or depends "
                "on the batch. Take adam, or leave dropout and batch_norm out."
            )
