"""The state of a training, and its arrays by name."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import InvalidValue, StorageError
from pellucid.core.tunable import as_arrays
from pellucid.core.types import Array, Key, PyTree, Shapes
from pellucid.functions.regularizers import Regularizer
from pellucid.network import Network, with_arrays
from pellucid.optimizers import FromOptax, Optimizer, OptimizerState, dtype_of
from pellucid.training.average import Average
from pellucid.training.recorder import Recorder
from pellucid.training.stopping import Learned


class TrainingState(NamedTuple):
    """Everything that a step reads and writes, as a pytree of arrays."""

    params: PyTree
    """One dict per layer; with several networks, a dict of those by network name, as in the fields below."""
    layer_state: PyTree
    optimizer: PyTree
    regularizer: PyTree
    """Its strengths are arrays, as the optimiser's hyperparameters are."""
    step: Array
    """Steps made so far."""
    key: Key[Array, ""]
    """Source of the order of the rows and of the layers' random numbers; never changes."""
    recorder: PyTree = None
    """The recorder's memory from one measured step to the next; None where it needs none."""
    average: Average | None = None
    """The moving average of the weights; None without it."""

    @property
    def learned(self) -> Learned:
        """What it predicts with: the averaged weights, or the last."""
        return Learned(self.params, self.layer_state) if self.average is None else self.average.learned


def initial_state(
    network: Network,
    optimizer: Optimizer | FromOptax,
    regularizer: Regularizer | None,
    input_shape: Shapes,
    seed: int | Array,
    *,
    recorder: Recorder | None = None,
    average: float | None = None,
    given: Mapping[str, Mapping[str, Any]] | None = None,
) -> TrainingState:
    """The state before the first step, initialised from ``seed``.

    ``average`` is the decay of the weights' average; the arrays by layer that are ``given`` are taken as such.
    """
    return _begun(_compiled_initial_state, network, optimizer, regularizer, input_shape, seed, recorder, average, given)


def _begun(
    initialise: Callable[..., TrainingState],
    network: Network,
    optimizer: Optimizer | FromOptax,
    regularizer: Regularizer | None,
    input_shape: Shapes,
    seed: int | Array,
    recorder: Recorder | None = None,
    average: float | None = None,
    given: Mapping[str, Mapping[str, Any]] | None = None,
) -> TrainingState:
    unknown = set(regularizer.layers or ()) - set(network.names) if regularizer is not None else set()
    if unknown:
        raise InvalidValue(
            f"regularizer.layers names {', '.join(sorted(unknown))}, which the network lacks. Its layers: "
            f"{', '.join(network.names)}."
        )
    # Another rate, schedule, penalty or recorder does not compile this again.
    own = isinstance(optimizer, Optimizer)
    same = replace(optimizer, learning_rate=1.0) if own else optimizer
    number = np.uint32(seed) if isinstance(seed, int) else seed
    state = initialise(network, same, None if own else regularizer, input_shape, number, given or {})
    state = state._replace(regularizer=as_arrays(regularizer, network.dtype))
    if recorder is not None and recorder.every:
        state = state._replace(recorder=_memory(recorder, network, input_shape, state.params, state.layer_state))
    if average is not None:
        state = state._replace(average=Average.begin(average, state.params, state.layer_state))
    return with_numbers(state, optimizer) if isinstance(optimizer, Optimizer) else state


def _initial_state(
    network: Network,
    optimizer: Optimizer | FromOptax,
    regularizer: Regularizer | None,
    input_shape: Shapes,
    seed: Array | np.uint32,
    given: Mapping[str, Mapping[str, Any]],
) -> TrainingState:
    init_key, training_key = jax.random.split(jax.random.key(seed))
    params, layer_state, _ = network.init(init_key, input_shape)
    params, layer_state = with_arrays(network, params, layer_state, given)
    optimizer_state = optimizer.init(params)
    if regularizer is not None and isinstance(optimizer, FromOptax):
        _check_rate(regularizer, optimizer, optimizer_state)
    return TrainingState(params, layer_state, optimizer_state, None, jnp.zeros((), jnp.int32), training_key)


# Compiled whole: layer by layer it would compile a dozen small programs, one after another; and without XLA's costly
# optimisations, since it runs once: in a third of the time for 64–64–10, to the same bits.
_compiled_initial_state = jax.jit(
    _initial_state, static_argnums=(0, 1, 2, 3), compiler_options={"xla_backend_optimization_level": 1}
)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _memory(recorder: Recorder, network: Network, input_shape: Shapes, params: PyTree, layer_state: PyTree) -> PyTree:
    return recorder.begin(network, params, layer_state, input_shape)


def release_initialisation() -> None:
    """Release what `initial_state` compiled, which takes megabytes where a network is large and is called once."""
    for compiled in (_compiled_initial_state, _memory):
        compiled.clear_cache()  # pyright: ignore[reportAttributeAccessIssue]


def _check_rate(regularizer: Regularizer, optimizer: FromOptax, state: OptimizerState) -> None:
    with jax.ensure_compile_time_eval():
        unknown = regularizer.proximal(jnp.ones(1), jnp.nan)
        needed = bool(jnp.isnan(unknown).any())
    if needed and optimizer.rate_of(state.slots) is None:
        raise InvalidValue(
            f"the regularizer {regularizer.name!r} needs the learning rate of each update, which the Optax optimizer "
            "does not expose. Create it with optax.inject_hyperparams, as in "
            "optax.inject_hyperparams(optax.adam)(learning_rate=1e-3), or use one of pellucid's."
        )


def state_template(
    network: Network, optimizer: Optimizer | FromOptax, regularizer: Regularizer | None, input_shape: Shapes
) -> TrainingState:
    """The shapes and dtypes of `initial_state`, for `from_arrays`; nothing is computed or compiled."""
    return jax.eval_shape(partial(_begun, _initial_state, network, optimizer, regularizer, input_shape, 0))


def with_numbers(state: TrainingState, optimizer: Any) -> TrainingState:
    """The state with another optimiser's hyperparameters; nothing recompiles."""
    dtype = dtype_of(state.params)
    return state._replace(optimizer=state.optimizer._replace(rule=as_arrays(optimizer, dtype)))


def to_arrays(tree: PyTree) -> dict[str, np.ndarray]:
    """The leaves of a tree as NumPy arrays by path."""
    return {path: np.asarray(_key_data(leaf)) for path, leaf in _paths(tree)}


def from_arrays(template: PyTree, arrays: dict[str, np.ndarray]) -> PyTree:
    """The tree of ``template``, of arrays or of their shapes, with the arrays that ``to_arrays`` named.

    Raises:
        StorageError: an array is missing, or has another shape or dtype than the template's.
    """
    leaves: list[Array] = []
    for path, leaf in _paths(template):
        expected = _key_data(leaf)
        saved = arrays.get(path)
        if saved is None or saved.shape != expected.shape or saved.dtype != expected.dtype:
            received = "missing" if saved is None else f"{saved.dtype}{list(saved.shape)}"
            raise StorageError(
                f"the saved array {path} does not fit this experiment: expected "
                f"{expected.dtype}{list(expected.shape)}, received {received}. Network, optimizer and data must be "
                "those of the saved run."
            )
        array = jax.device_put(saved)
        leaves.append(jax.random.wrap_key_data(array) if expected is not leaf else array)
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def _paths(tree: PyTree) -> list[tuple[str, Any]]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in flat]


def _key_data(leaf: Any) -> Any:
    if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf
    shape_alone = isinstance(leaf, jax.ShapeDtypeStruct)
    return jax.eval_shape(jax.random.key_data, leaf) if shape_alone else jax.random.key_data(leaf)
