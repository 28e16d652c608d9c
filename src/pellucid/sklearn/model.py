"""A fitted network: what an estimator predicts with, continues from and makes its run of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from pellucid.core.precision import double_precision
from pellucid.data import Dataset, Encoder, Preprocessing
from pellucid.data.preprocessing import Preprocessings
from pellucid.functions.losses import Loss
from pellucid.network import Network
from pellucid.runs.outputs import outputs_of
from pellucid.runs.scaling import scaling_of
from pellucid.sklearn.objective import Penalized
from pellucid.training import TrainingState
from pellucid.training.rows import steps_per_epoch


@dataclass
class Model:
    """A network with its weights, and the state from which its training continues.

    Attributes:
        program: of the training.
        optimizer: as it was at its end; None for lbfgs.
        state: of the training; its weights are those to predict with.
        seed: of dropout and of the order of the rows.
        encoder: of a data frame with categories; None for numbers.
        preprocessing: of the inputs.
        target_preprocessing: of the targets.
        input_shape: of an example.
        epochs: made so far, by ``fit`` and ``partial_fit``.
        data: the rows of the last fit; None once it was pickled.
        records: of each step of the last fit; None once it was pickled.
        measures: loss and metric of the validation part after each epoch of the last fit.
    """

    program: Penalized
    optimizer: Any
    state: TrainingState
    seed: int
    encoder: Encoder | None
    preprocessing: Preprocessing | Preprocessings
    target_preprocessing: Preprocessing | Preprocessings
    input_shape: tuple[int, ...]
    epochs: int = 0
    data: Dataset | None = None
    records: np.ndarray | None = None
    measures: np.ndarray | None = None

    @property
    def network(self) -> Network:
        """The network."""
        return self.program.network

    @property
    def loss(self) -> Loss:
        """Its loss."""
        assert isinstance(self.program.loss, Loss)
        return self.program.loss

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch of the last fit."""
        assert self.data is not None
        return steps_per_epoch(len(self.data.train), self.program.batch_size)

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """The outputs for stored rows, those of a regression in the target's own units."""
        self.network.check_input(x, self.input_shape)
        outputs = self.through(self.network, self.state.params, self.state.layer_state, x, self.preprocessing)
        return self.target_preprocessing.invert_numpy(outputs)

    def through(self, network: Network, params: Any, layer_state: Any, x: Any, preprocessing: Any) -> np.ndarray:
        """The outputs of a network, or of a part of it, for rows."""
        with double_precision(network.precision == "float64"):
            scaling = scaling_of(preprocessing, dtype=network.dtype)
            return outputs_of(network, params, layer_state, x, scaling)

    @property
    def weights(self) -> tuple[Mapping[str, np.ndarray], ...]:
        """The parameters of each layer that has any."""
        return tuple(
            {name: np.asarray(array) for name, array in own.items()} for own in self.state.params if "weights" in own
        )

    def __getstate__(self) -> dict[str, Any]:
        # Without the rows, and without what belongs to a device.
        state = self.state._replace(key=None)
        plain = jax.tree.map(np.asarray, state)
        return vars(self) | {"state": plain, "data": None, "records": None, "measures": None}

    def __setstate__(self, plain: dict[str, Any]) -> None:
        vars(self).update(plain)
        self.state = self.state._replace(key=jax.random.key(self.seed))
