"""Derivatives by central differences, to check the chain rule.

One compiled program computes the loss, and any other output of the network, at a point where a single number (a
weight, an input, an output of a layer) is moved by a step. From the values at ``± h`` for several steps h come the
central differences, extrapolated to h → 0.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from pellucid.core.formula import element
from pellucid.core.types import Array, PyTree
from pellucid.explanations.explanation import Check, Chosen, Coupled, Status
from pellucid.explanations.recurrence import sums_of, with_sums
from pellucid.explanations.trace import Trace, activation_after, arrays_of, parts_of, total_of
from pellucid.functions.losses import JointLoss, Loss
from pellucid.functions.masking import masked_value
from pellucid.network import Network, differentiated_loss, mask_arguments

STEPS = tuple(2.0**-k for k in range(5, 18, 2))
"""Steps h, each a quarter of the one before; multiplied by the number's size where that exceeds 1."""
ULPS = 4
"""Rounding error of a loss, the end of a long sum, in units in the last place."""
KINK = 1e-4
"""Relative difference of one-sided derivatives, for h → 0, above which a number lies at a kink."""
SAMPLE = 6
"""Derivatives of each array that are compared: its largest two and others at random."""
MAX_JACOBIAN = 16
"""Most classes of a softmax whose whole Jacobian is compared."""


class Point(NamedTuple):
    """All numbers that may move; at the example itself the last two are 0."""

    x: tuple[Any, ...]
    params: PyTree
    outputs: tuple[Any, ...]
    """Added to the output of each layer."""
    sums: tuple[Any, ...]
    """Added to the pre-activations of each recurrent layer at each time."""


class Request(NamedTuple):
    """A derivative to compare."""

    of: str
    part: str
    leaf: str
    """The array of the number that moves, a path of `Point`."""
    at: int
    """Its index there, in C order."""
    watched: int
    """The differentiated function: 0 the fused loss, 1 the loss of the prediction, 2 … the watched outputs."""
    exact: float
    surrogate: bool = False


class Requests:
    """The derivatives to compare, each once.

    Args:
        trace: the example forward and backward.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.by_name: dict[str, Request] = {}
        self.watched: list[tuple[int, int]] = []
        self._surrogate = _before_spikes(trace.network)

    def _add(self, layer: int, of: str, part: str, leaf: str, at: int, watched: int, exact: float) -> None:
        surrogate = layer in self._surrogate and watched < 2
        self.by_name.setdefault(of, Request(of, part, leaf, at, watched, exact, surrogate))

    def _watch(self, layer: int, at: int) -> int:
        if (layer, at) not in self.watched:
            self.watched.append((layer, at))
        return 2 + self.watched.index((layer, at))

    def _output(self, layer: int, index: tuple[int, ...], exact: float) -> None:
        """Request ∂L/∂output; for an output that a fused loss steps over, by the loss's formula."""
        name, shape = self.trace.network.names[layer], self.trace.outputs[layer].shape
        way = int(self.trace.fuses(layer))
        at = int(np.ravel_multi_index(index, shape))
        self._add(layer, f"∂L/∂{element(name, index)}", name, f"outputs/{layer}", at, way, exact)

    def _sum(self, layer: int, time: int, column: int, exact: float) -> None:
        """∂L/∂z of a recurrent layer at one time."""
        name = self.trace.network.names[layer]
        columns = self.trace.params[self.trace.network.owner(layer)]["weights"].shape[1]
        of = f"∂L/∂z of {name}, time {time}, column {column}"
        self._add(layer, of, f"{name}.z", f"sums/{layer}", time * columns + column, 0, exact)

    def chosen(self, chosen: Chosen) -> None:
        """All factors of the followed weight, for its three largest paths."""
        layer = self.trace.network.names.index(chosen.layer)
        part, path = f"{chosen.layer}.{chosen.parameter}", f"params/{layer}/{chosen.parameter}"
        weight = element(part, chosen.index)
        shape = arrays_of(self.trace.params[layer])[chosen.parameter].shape
        at = int(np.ravel_multi_index(chosen.index, shape))
        self._add(layer, f"∂L/∂{weight}", part, path, at, 0, chosen.gradient)
        for term in chosen.terms[:3]:
            name = term.layer or chosen.layer
            use = self.trace.network.names.index(name)
            if name in self.trace.recurrent:
                time, column = term.index
                self._sum(use, time, column, term.dL_dz)
                continue
            at_z = int(np.ravel_multi_index(term.index, self.trace.outputs[use].shape))
            z = element(name, term.index)
            self._output(use, term.index, term.dL_dz)
            of, watched = f"∂{z}/∂{weight}", self._watch(use, at_z)
            self._add(layer, of, f"∂z/∂w of {name}", path, at, watched, term.dz_dw)
            after = activation_after(self.trace.network, use)
            if term.da_dz is not None and term.dL_da is not None and after is not None:
                a = self.trace.network.names[after]
                self._output(after, term.index, term.dL_da)
                of, part_of = f"∂{element(a, term.index)}/∂{z}", f"∂a/∂z of {a}"
                self._add(use, of, part_of, f"outputs/{use}", at_z, self._watch(after, at_z), term.da_dz)

    def coupled(self, coupled: Coupled) -> None:
        """Both factors at a softmax that ends the network."""
        network, size = self.trace.network, len(coupled.a)
        end = network.names.index(coupled.layer)
        before = network.names.index(network.reads[end][0])
        name, under = coupled.layer, network.names[before]
        for k in range(size):
            at = coupled.row * size + k
            self._add(end, f"∂L/∂{name}[{k}]", name, f"outputs/{end}", at, 1, float(coupled.dL_da[k]))
            for j in range(size if size <= MAX_JACOBIAN else 0):
                of, place_j = f"∂{name}[{k}]/∂{under}[{j}]", coupled.row * size + j
                watched = self._watch(end, at)
                exact = float(coupled.jacobian[k, j])
                self._add(before, of, f"∂a/∂z of {name}", f"outputs/{before}", place_j, watched, exact)

    def sample(self) -> None:
        """Of every array the largest two gradients, and others at random."""
        trace, random = self.trace, np.random.default_rng(0)

        def some(gradient: np.ndarray) -> list[tuple[int, ...]]:
            flat = abs(gradient.reshape(-1))
            largest = np.argsort(-flat, kind="stable")[:2]
            others = random.choice(flat.size, min(SAMPLE, flat.size), False)
            indices = sorted({*map(int, largest), *map(int, others)})[:SAMPLE]
            return [tuple(int(i) for i in np.unravel_index(at, gradient.shape)) for at in indices]

        for layer, name in enumerate(trace.network.names):
            for path, grad in arrays_of(trace.grads[layer]).items():
                part, leaf = f"{name}.{path}", f"params/{layer}/{path}"
                for index in some(grad):
                    at, of = int(np.ravel_multi_index(index, grad.shape)), f"∂L/∂{element(part, index)}"
                    self._add(layer, of, part, leaf, at, 0, float(grad[index]))
            if name in trace.recurrent:
                sums = np.concatenate([gate.gradient for gate in trace.recurrent[name].gates], axis=1)
                for time, column in some(sums):
                    self._sum(layer, time, column, float(sums[time, column]))
            gradient = trace.gradients[layer]
            if gradient is not None and not trace.fuses(layer):
                for index in some(gradient):
                    self._output(layer, index, float(gradient[index]))
        for i, (x, dx) in enumerate(zip(trace.x, trace.dx, strict=True)):
            if dx is not None and jnp.issubdtype(x.dtype, jnp.floating) and not trace.reads_tokens(i):
                name = "x" if len(trace.x) == 1 else trace.network.inputs[i]
                for index in some(dx):
                    at, of = int(np.ravel_multi_index(index, dx.shape)), f"∂L/∂{element(name, index)}"
                    surrogate = bool(self._surrogate)
                    self.by_name[of] = Request(of, name, f"x/{i}", at, 0, float(dx[index]), surrogate)

    def compare(self) -> list[Check]:
        """Compare every derivative with central differences, in the dtype of the trace."""
        trace, requests = self.trace, list(self.by_name.values())
        layers = range(len(trace.network.layers))
        sums = tuple(
            sums_of(trace.network.layers[i], trace.params[trace.network.owner(i)], trace.read_by(i))
            if trace.network.names[i] in trace.recurrent
            else np.zeros((0, 0))
            for i in layers
        )
        point = Point(trace.x, trace.params, tuple(np.zeros((1, *output.shape)) for output in trace.outputs), sums)
        flat, _ = jax.tree_util.tree_flatten_with_path(point)
        names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in flat]
        numbers = [np.asarray(array).reshape(-1) for _, array in flat]
        first = dict(zip(names, np.cumsum([0] + [array.size for array in numbers]), strict=False))
        moved = sorted({int(first[request.leaf]) + request.at for request in requests})
        scale = 2.0 ** np.ceil(np.log2(np.maximum(abs(np.concatenate(numbers)[moved]), 1.0)))
        h = scale[:, None] * np.array(STEPS)
        steps = np.stack([h, -h], axis=-1)
        places = np.repeat(moved, steps[0].size)
        # The point itself is the first: nothing is moved there.
        values = _values(
            trace.network, trace.loss, trace.state, point, trace.target, tuple(self.watched), trace.masks,
            np.array([0, *places]), np.array([0.0, *steps.reshape(-1)]),
        )  # fmt: skip
        at_point, around = np.asarray(values[0]), np.asarray(values[1:]).reshape(len(moved), len(STEPS), 2, -1)
        row_of = {number: row for row, number in enumerate(moved)}
        rows = [row_of[int(first[request.leaf]) + request.at] for request in requests]
        return [
            _compare(request, h[row], around[row, :, :, request.watched], float(at_point[request.watched]))
            for request, row in zip(requests, rows, strict=True)
        ]


def _compare(request: Request, h: np.ndarray, pair: np.ndarray, middle: float) -> Check:
    """Check one derivative from the values ``pair`` at ± h and ``middle`` at the point."""
    rounding = ULPS * np.finfo(np.float64).eps * max(1.0, abs(middle)) / h
    difference, noise = extrapolated((pair[:, 0] - pair[:, 1]) / (2 * h), rounding)
    resolution = noise / 1e-6
    scale = max(abs(request.exact), abs(difference), resolution)
    error = abs(request.exact - difference) / scale
    # The gradient on the right less that on the left is h·f″ + O(h³) where f is smooth, and does not shrink at a kink.
    sides = (pair[:, 0] - 2 * middle + pair[:, 1]) / h
    jump = abs((4 * sides[1:] - sides[:-1]) / 3)[-3:]
    status: Status = "checked"
    if request.surrogate:
        status = "surrogate"
    elif jump.min() > max(KINK * scale, 2 * rounding[-1]):
        status = "kink"
    return Check(request.of, request.part, request.exact, difference, error, resolution, status)


def extrapolated(differences: np.ndarray, rounding: np.ndarray) -> tuple[float, float]:
    """Extrapolate central differences to h → 0, with the rounding error.

    Formula:
        D(k, 0) = (f(x + h_k) − f(x − h_k)) / 2h_k, h_{k+1} = h_k / 4;
        D(k, j) = (16^j D(k, j−1) − D(k−1, j−1)) / (16^j − 1), whose error is O(h^{2j+2})

    The entry that agrees best with those it is computed from is returned, independently of the chain rule's value.

    Args:
        differences: D(k, 0), from the largest h to the least.
        rounding: the rounding error of each.

    Returns:
        The limit, and the rounding error of the entry.

    Example:
        >>> h = np.array([0.5, 0.125, 0.03125])
        >>> value, _ = extrapolated((np.exp(h) - np.exp(-h)) / (2 * h), 1e-16 / h)
        >>> abs(value - 1) < 1e-9
        True

    Source: Ridders, Accurate computation of F′(x) and F′(x)F″(x), 1982.
    """
    best = (float("inf"), float(differences[-1]), float(rounding[-1]))
    column = list(differences)
    for j in range(1, len(differences)):
        factor = 16.0**j
        previous, column = column, []
        for k in range(1, len(previous)):
            entry = (factor * previous[k] - previous[k - 1]) / (factor - 1)
            noise = float(rounding[k + j - 1])
            doubt = max(abs(entry - previous[k]), abs(entry - previous[k - 1])) + noise
            if doubt < best[0]:
                best = (float(doubt), float(entry), noise)
            column.append(entry)
    return best[1], best[2]


@partial(jax.jit, static_argnums=(0, 1, 5))
def _values(
    network: Network,
    loss: Loss | JointLoss,
    state: PyTree,
    point: Point,
    target: Any,
    watched: tuple[tuple[int, int], ...],
    masks: Mapping[str, Array],
    places: Array,
    steps: Array,
) -> Array:
    """Compute loss and watched outputs with the number at one index moved by a step: one row a step."""
    # All numbers in one row, so that one place in it is moved: with a scatter into every array the program takes twice
    # as long to compile.
    row, as_point = ravel_pytree(point)
    parts = parts_of(network, loss, target)
    fused = [differentiated_loss(network, part, end) for part, _, end, _ in parts]
    plain = [(part, end) for part, _, end, _ in parts]

    def at(moved: tuple[Array, Array]) -> Array:
        place, step = moved
        there = jax.lax.dynamic_slice(row, (place,), (1,)) + step
        outputs = _outputs(network, state, as_point(jax.lax.dynamic_update_slice(row, there, (place,))), masks)
        losses = []
        for way in (fused, plain):
            values = [
                masked_value(criterion, outputs[layer], y, masks.get(network.names[end]))[0]
                for (criterion, layer), (_, _, end, y) in zip(way, parts, strict=True)
            ]
            losses.append(total_of(loss, values))
        return jnp.stack(losses + [outputs[layer].reshape(-1)[place] for layer, place in watched])

    return jax.lax.map(at, (places, steps))


def _outputs(network: Network, state: PyTree, point: Point, masks: Mapping[str, Array]) -> list[Array]:
    """The output of every layer, with the additions of the point passed on."""
    values: dict[str, Array] = dict(zip(network.inputs, point.x, strict=True))
    for i, layer in enumerate(network.layers):
        arrays = tuple(values[read] for read in network.reads[i])
        given = mask_arguments(layer, tuple(masks.get(read) for read in network.reads[i]))
        x = arrays[0] if layer.inputs == 1 else arrays
        owner = network.owner(i)
        params, x, given = with_sums(layer, point.params[owner], x, point.sums[i], given)
        y = layer.forward(params, state[owner], x, key=None, training=False, **given)[0]
        values[network.names[i]] = y + point.outputs[i]
    return [values[name] for name in network.names]


def _before_spikes(network: Network) -> set[int]:
    """Find the layers whose gradients pass through spiking neurons, with their surrogate derivative."""
    layers: set[int] = set()
    for i in range(len(network.layers) - 1, -1, -1):
        readers = [k for k, reads in enumerate(network.reads) if network.names[i] in reads]
        if any(k in layers or network.layers[k].surrogate for k in readers):
            layers.add(i)
    return layers
