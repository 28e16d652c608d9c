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
from pellucid.sklearn.parameters import LBFGS
from pellucid.training import Recorder, Rows, Scaling, TargetScaling, TrainingState, initial_state
from pellucid.training.state import with_numbers


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
    mean = 1.0 if weights is None or not estimator._relative_weights else float(weights.mean(dtype=np.float64))
    optimizer = None if lbfgs else estimator._optimizer(len(data.train))
    if lbfgs:
        _check_lbfgs(network)
    rows = len(data.train)
    size = estimator._rows_of_step(rows, optimizer is None or optimizer.full_batch)
    # A batch of all rows has no order: without drawing one, its program compiles in two thirds of the time.
    shuffle = bool(estimator.shuffle) and size < rows
    metric = estimator._metric_of(data, loss)
    program = Penalized(network, loss, metric, size, Recorder(0), shuffle, scale=scale)
    scaling = scaling_of(data.preprocessing, dtype=network.dtype)
    train = _rows(data.train, loss, data)
    if lbfgs:  # a weight each, in the precision that is computed in
        each = np.ones(len(data.train)) if weights is None else np.asarray(weights, float)
        train = train._replace(weights=each)
    elif weights is not None:
        train = train._replace(weights=jax.device_put((weights / mean).astype(np.float32)))
    monitor = None if data.held_out is None else _rows(data.held_out, loss, data)
    if data.task == "regression" and monitor is not None:
        scaling = scaling._replace(targets=_spread(np.asarray(monitor.y, np.float32)))
    penalty = L2(estimator.alpha / 2 / (1.0 if lbfgs else mean))
    return Prepared(data, program, optimizer, penalty, scaling, train, monitor, seed)


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


def _rows(part: Part, loss: Any, data: Dataset) -> Rows:
    x, weights = jax.device_put(part.x), None if part.weights is None else jax.device_put(part.weights)
    if data.task == "reconstruction":
        return Rows(x, None, weights)
    y = targets_of(loss, part.y, data)
    if not data.target_preprocessing.is_identity:
        y = data.target_preprocessing.apply_numpy(y)
    return Rows(x, jax.device_put(y), weights)


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
