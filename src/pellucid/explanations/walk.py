"""The forward and backward pass of one example, what is asked of it, and which derivatives are to be checked."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.types import Array, PyTree
from pellucid.explanations.attribution import attribute
from pellucid.explanations.choice import Aim, aim_at, describe_weight
from pellucid.explanations.difference import Point, Request, run_checks
from pellucid.explanations.formula import place
from pellucid.explanations.gates import Opened, through_time
from pellucid.explanations.numbers import Chosen, Coupled, Explanation, Facts, LayerNumbers, LossNumbers
from pellucid.explanations.update import next_update
from pellucid.functions.losses import Loss
from pellucid.functions.masking import masked_gradient, masked_value
from pellucid.layers import Activation, Embedding, LeakyIntegrateAndFire
from pellucid.network import AnyNetwork, differentiated_loss, mask_arguments
from pellucid.runs.run import Run

SAMPLE = 6
"""Derivatives of each array that are compared with central differences: its largest two and others by chance."""
COUPLED = 64
"""Most classes of which the Jacobian is shown."""


class Walk:
    """The forward and backward pass of one example, and what is asked of it."""

    def __init__(self, network: AnyNetwork, loss: Loss, params: PyTree, state: PyTree, x: Array, target: Array) -> None:
        self.network, self.loss, self.params, self.state = network, loss, params, state
        self.x, self.target = x, target
        passed = _both_ways(network, loss, params, state, x, target)
        self.value, self.loss_slope, self.dx, outputs, deltas, self.grads, caches, self.masks = passed
        self.outputs = [np.asarray(output)[0] for output in outputs]
        self.slopes = [None if delta is None else np.asarray(delta)[0] for delta in deltas]
        self.paired = differentiated_loss(network, loss, network.ends[0])[1] != network.ends[0]
        self.recurrent = {
            network.names[i]: through_time(network.names[i], layer, params[i], caches[i], self.grads[i])
            for i, layer in enumerate(network.layers)
            if isinstance(layer, Opened)
        }
        self.requests: list[Request] = []
        self.watched: list[tuple[int, int]] = []
        self._surrogate = _before_spikes(network)

    def explanation(
        self, run: Run, params: PyTree, facts: Facts, neuron: str | None, weight: str | None
    ) -> Explanation:
        """All of it."""
        grads = tuple(self._own_grads(i) for i in range(len(self.network.layers)))
        aim = aim_at(self.network, grads, self.outputs, neuron, weight, self._reached)
        chosen = self._chosen(run, params, grads, aim)
        chosen_checks = len(self.requests)
        coupled = self._coupled()
        self._sample()
        point = Point(self.x, self.params, tuple(jnp.zeros((1, *output.shape)) for output in self.outputs))
        checks = run_checks(
            self.network, self.loss, self.state, point, self.target, self.masks, self.watched, self.requests
        )
        layers = tuple(self._numbers(i, params[i], grads[i]) for i in range(len(self.network.layers)))
        attribution = attribute(self.network, self.params, self.state, self.x, self.outputs, run.facts.task)
        return Explanation(
            facts,
            np.asarray(self.x)[0],
            np.asarray(self.dx)[0],
            layers,
            self.loss_numbers,
            chosen,
            tuple(checks),
            chosen_checks,
            coupled,
            attribution,
            tuple(self.recurrent.values()),
        )

    @property
    def loss_numbers(self) -> LossNumbers:
        """The loss and its slope for the prediction."""
        return LossNumbers(
            self.loss.name,
            (type(self.loss).__doc__ or "").split("\n")[0].replace("`", ""),
            float(self.value),
            self.outputs[self.network.ends[0]],
            np.asarray(self.target)[0],
            np.asarray(self.loss_slope)[0],
        )

    def _own_grads(self, i: int) -> PyTree:
        """The gradients of a layer without those of the inputs that open it."""
        if not isinstance(self.network.layers[i], Opened):
            return self.grads[i]
        through = self.recurrent[self.network.names[i]]
        return self.grads[i] | {"weights": self.grads[i]["weights"][: through.x.shape[1]]}

    def _reached(self, layer: int, unit: int) -> PyTree:
        """∂z/∂ the parameters of a layer, summed over all places of one of its units."""
        given = [
            jnp.asarray(self.outputs[self.network.names.index(name)])[None] if name in self.network.names else self.x
            for name in self.network.reads[layer]
        ]
        one, own = self.network.layers[layer], self.params[layer]
        masks = mask_arguments(one, tuple(self.masks.get(name) for name in self.network.reads[layer]))
        x = given[0] if one.inputs == 1 else tuple(given)
        y, _, cache = one.forward(own, self.state[layer], x, key=None, training=False, **masks)
        grads = one.backward(own, cache, jnp.zeros_like(y).at[..., unit].set(1.0))[1]
        through = self.recurrent.get(self.network.names[layer])
        return grads if through is None else grads | {"weights": grads["weights"][: through.x.shape[1]]}

    def _chosen(self, run: Run, params: PyTree, grads: PyTree, aim: Aim) -> Chosen:
        update = next_update(run, params, grads, aim.layer, aim.parameter, aim.index)
        through = self.recurrent.get(self.network.names[aim.layer])
        chosen = describe_weight(
            self.network,
            self.params,
            self.state,
            self.x,
            self.outputs,
            self.masks,
            [self.slope_of(i) for i in range(len(self.outputs))],
            aim,
            through,
            update,
            float(_leaf(grads[aim.layer], aim.parameter)[aim.index]),
        )
        leaf = f"params/{aim.layer}/{aim.parameter}"
        shape = _leaf(self.params[aim.layer], aim.parameter).shape
        at = int(np.ravel_multi_index(aim.index, shape))
        part = f"{chosen.layer}.{aim.parameter}"
        weight = place(part, aim.index)
        self._ask(aim.layer, f"∂L/∂{weight}", part, leaf, at, 0, chosen.gradient)
        for term in chosen.terms[:3]:
            if through is not None:
                columns = self.params[aim.layer]["weights"].shape[1]
                row = through.x.shape[1] + term.place[0]
                self._ask(
                    aim.layer,
                    f"∂L/∂z of {chosen.layer}, time {term.place[0]}, column {term.place[1]}",
                    f"{chosen.layer}.z",
                    f"params/{aim.layer}/weights",
                    row * columns + term.place[1],
                    0,
                    term.dL_dz,
                )
                continue
            at_z = int(np.ravel_multi_index(term.place, self.outputs[aim.layer].shape))
            z = place(chosen.layer, term.place)
            self._ask(aim.layer, f"∂L/∂{z}", chosen.layer, f"outputs/{aim.layer}", at_z, 0, term.dL_dz)
            self._ask(
                aim.layer,
                f"∂{z}/∂{weight}",
                f"∂z/∂w of {chosen.layer}",
                leaf,
                at,
                self._watch(aim.layer, at_z),
                term.dz_dw,
            )
            if term.da_dz is not None and term.dL_da is not None and chosen.activation is not None:
                after = self.network.names.index(chosen.activation)
                a = place(chosen.activation, term.place)
                self._ask(after, f"∂L/∂{a}", chosen.activation, f"outputs/{after}", at_z, self._way(after), term.dL_da)
                self._ask(
                    aim.layer,
                    f"∂{a}/∂{z}",
                    f"∂a/∂z of {chosen.activation}",
                    f"outputs/{aim.layer}",
                    at_z,
                    self._watch(after, at_z),
                    term.da_dz,
                )
        return chosen

    def _coupled(self) -> Coupled | None:
        """Both factors at the end of the network, where its activation is a softmax."""
        end = self.network.ends[0]
        layer, read = self.network.layers[end], self.network.reads[end][0]
        ends_otherwise = not isinstance(layer, Activation) or layer.function.name != "softmax"  # pyright: ignore[reportAttributeAccessIssue]
        if ends_otherwise or read in self.network.inputs or self.outputs[end].shape[-1] > COUPLED:
            return None
        before = self.network.names.index(read)
        fused = self.slopes[before]
        if fused is None:
            return None
        # Of a sequence of softmaxes, the one that the loss pulls at most.
        rows = abs(fused).reshape(-1, fused.shape[-1]).max(axis=1)
        row = int(rows.argmax())
        z, a, delta, dL_da = (
            array.reshape(-1, fused.shape[-1])[row]
            for array in (self.outputs[before], self.outputs[end], fused, np.asarray(self.loss_slope)[0])
        )
        size = len(a)
        every = jnp.broadcast_to(jnp.asarray(a), (size, size))
        z_rows = jnp.broadcast_to(jnp.asarray(z), (size, size))
        jacobian = np.asarray(layer.function.backward(z_rows, every, jnp.eye(size)))  # pyright: ignore[reportAttributeAccessIssue]
        name, under = self.network.names[end], self.network.names[before]
        for k in range(size):
            at = row * size + k
            self._ask(end, f"∂L/∂{name}[{k}]", name, f"outputs/{end}", at, 1, float(dL_da[k]))
            for j in range(size if size <= 16 else 0):
                self._ask(
                    before,
                    f"∂{name}[{k}]/∂{under}[{j}]",
                    f"∂a/∂z of {name}",
                    f"outputs/{before}",
                    row * size + j,
                    self._watch(end, at),
                    float(jacobian[k, j]),
                )
        return Coupled(name, z, a, dL_da, jacobian, dL_da @ jacobian, delta, self.paired)

    def _sample(self) -> None:
        """Derivatives of every array: the largest two, and others by chance."""
        random = np.random.default_rng(0)

        def places(slopes: np.ndarray) -> list[int]:
            flat = abs(slopes.reshape(-1))
            largest = np.argsort(-flat, kind="stable")[:2]
            return sorted({*map(int, largest), *map(int, random.choice(flat.size, min(SAMPLE, flat.size), False))})[
                :SAMPLE
            ]

        for i, name in enumerate(self.network.names):
            for path, grad in flat_params(self.grads[i]).items():
                for at in places(grad):
                    index, part = np.unravel_index(at, grad.shape), f"{name}.{path}"
                    features = self.recurrent[name].x.shape[1] if name in self.recurrent else None
                    if path == "weights" and features is not None and index[0] >= features:
                        said = f"∂L/∂z of {name}, time {index[0] - features}, column {index[1]}"
                        part = f"{name}.z"
                    else:
                        said = f"∂L/∂{place(part, index)}"
                    self._ask(i, said, part, f"params/{i}/{path}", at, 0, float(grad.reshape(-1)[at]))
            slope = self.slope_of(i)
            if slope is not None and i not in (self.network.ends if self.paired else ()):
                for at in places(slope):
                    where = place(name, np.unravel_index(at, slope.shape))
                    self._ask(i, f"∂L/∂{where}", name, f"outputs/{i}", at, self._way(i), float(slope.reshape(-1)[at]))
        reads_input = [
            layer
            for layer, reads in zip(self.network.layers, self.network.reads, strict=True)
            if reads[0] in self.network.inputs
        ]
        if not any(isinstance(layer, Embedding) for layer in reads_input):
            dx = np.asarray(self.dx)[0]
            for at in places(dx):
                where, exact = place("x", np.unravel_index(at, dx.shape)), float(dx.reshape(-1)[at])
                self.requests.append(Request(f"∂L/∂{where}", "x", "x", at, 0, exact, bool(self._surrogate)))

    def slope_of(self, i: int) -> np.ndarray | None:
        """∂L/∂ the output of a layer, that which a fused loss steps over included."""
        if i == self.network.ends[0] and self.paired:
            slope = np.asarray(self.loss_slope)[0]
            return slope if self.slopes[i] is None else slope + self.slopes[i]
        return self.slopes[i]

    def _numbers(self, i: int, params: PyTree, grads: PyTree) -> LayerNumbers:
        layer = self.network.layers[i]
        activation = isinstance(layer, Activation)
        kind = layer.function.name if activation else layer.name  # pyright: ignore[reportAttributeAccessIssue]
        return LayerNumbers(
            self.network.names[i],
            kind,
            self.network.reads[i],
            self.outputs[i],
            self.slope_of(i),
            flat_params(params),
            flat_params(grads),
            activation,
        )

    def _watch(self, layer: int, place: int) -> int:
        """The number under which the values of an output are differentiated."""
        if (layer, place) not in self.watched:
            self.watched.append((layer, place))
        return 2 + self.watched.index((layer, place))

    def _way(self, layer: int) -> int:
        """1 for what only the loss as it is written sees, the output that the fused loss steps over; else 0."""
        return int(layer == self.network.ends[0] and self.paired)

    def _ask(self, layer: int, of: str, part: str, leaf: str, place: int, watched: int, exact: float) -> None:
        if not any(request.of == of for request in self.requests):
            surrogate = layer in self._surrogate and watched < 2
            self.requests.append(Request(of, part, leaf, place, watched, exact, surrogate))


@partial(jax.jit, static_argnums=(0, 1))
def _both_ways(
    network: AnyNetwork, loss: Loss, params: PyTree, state: PyTree, x: Array, target: Array
) -> tuple[Any, ...]:
    """Forward, the loss and its slope, and backward, in prediction mode."""
    forward = network.forward(params, state, x)
    criterion, number = differentiated_loss(network, loss, network.ends[0])
    prediction = forward.outputs[network.ends[0]]
    mask = forward.masks.get(network.names[network.ends[0]])
    value = masked_value(criterion, forward.outputs[number], target, mask)[0]
    slope = masked_gradient(criterion, forward.outputs[number], target, mask)
    back = network.backward(params, forward.caches, {number: slope})
    caches = [
        cache if isinstance(layer, Opened) else None
        for layer, cache in zip(network.layers, forward.caches, strict=True)
    ]
    return (
        value,
        masked_gradient(loss, prediction, target, mask),
        back.dx,
        forward.outputs,
        back.deltas,
        back.grads,
        caches,
        forward.masks,
    )


def _before_spikes(network: AnyNetwork) -> set[int]:
    """The layers whose slopes go back through spiking neurons, which replace their derivative by a surrogate."""
    found: set[int] = set()
    for i in range(len(network.layers) - 1, -1, -1):
        readers = [k for k, reads in enumerate(network.reads) if network.names[i] in reads]
        if any(k in found or isinstance(network.layers[k], LeakyIntegrateAndFire) for k in readers):
            found.add(i)
    return found


def _leaf(params: PyTree, path: str) -> Any:
    for key in path.split("/"):
        params = params[key]
    return params


def flat_params(params: PyTree) -> dict[str, np.ndarray]:
    """A layer's arrays by their path, nested ones with a slash."""
    flat, _ = jax.tree_util.tree_flatten_with_path(params)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in flat}
