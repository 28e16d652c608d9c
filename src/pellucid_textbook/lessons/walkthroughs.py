"""Three worked examples, every number of them printed: AND, XOR, and one step forward and backward.

Unlike a lesson they test no claim; each runs the library's own code and shows what it computed.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import UnknownName
from pellucid.data import load_dataset
from pellucid.functions.losses import BinaryCrossEntropy, SparseCategoricalCrossEntropy
from pellucid.layers import Dense
from pellucid.network import Network, backpropagate
from pellucid.optimizers import SGD
from pellucid_textbook.catalogue.comparisons import forward_and_backward, reference_network
from pellucid_textbook.catalogue.page import Content, Curve, Facts, Formulas, Page, Table, write
from pellucid_textbook.perceptron import FittedPerceptron, Perceptron, and_gate
from pellucid_textbook.separable import separability

# ------------------------------------------------------------------------------------------------ AND


def and_by_hand() -> Page:
    """AND by the perceptron rule: from a start that is right already, and from one that has to learn (subject 2.5)."""
    x, y, ready = and_gate()
    given, learnt = ready.fit(x, y, record=True), Perceptron().fit(x, y, record=True)
    sections: dict[str, Content] = {
        "neuron": Formulas({"net input": "z = w₁ x₁ + w₂ x₂ + b", "output": "ŷ = 1 if z ≥ 0, else 0"}),
        "rule": Formulas({"on a mistake": "w ← w + η (y − ŷ) x; b ← b + η (y − ŷ)"}),
        "from w = (0.5, 0.5) and b = −0.7": _perceptron_steps(given),
        "so": f"{given.verdict} The start is right on all four rows: nothing is to be learnt.",
        "from w = (0, 0) and b = 0, η = 1": _perceptron_steps(learnt),
        "mistakes": (
            Curve(
                "mistakes in an epoch",
                "epoch",
                np.arange(1.0, learnt.epochs + 1),
                np.array(learnt.mistakes_per_epoch, float),
            ),
        ),
        "learnt": Facts(
            {
                "epochs": learnt.epochs,
                "mistakes": learnt.mistakes,
                "w": f"({', '.join(map(write, learnt.weights))})",
                "b": learnt.bias,
                "predictions": ", ".join(str(label) for label in learnt.predict(x)),
                "why": learnt.verdict,
                "why it had to end": _bound(learnt),
            }
        ),
    }
    return Page("and-by-hand", "AND by the perceptron, step by step (subject 2.4, 2.5)", sections)


def _bound(fitted: FittedPerceptron) -> str:
    found, start = fitted.separability, fitted.perceptron.start(2)
    most = found.mistake_bound(fitted.x, start, fitted.perceptron.learning_rate)  # pyright: ignore[reportAttributeAccessIssue]
    return f"{found} So at most {most:,} mistakes are made from this start (Novikoff 1962)."


def _perceptron_steps(fitted: FittedPerceptron) -> Table:
    """Every step of the rule, with the sum written out."""
    start = fitted.perceptron.start(2)
    weights, bias = tuple(start[:2].tolist()), float(start[2])
    rows = []
    for step in fitted.steps:
        rows.append(
            (
                step.epoch,
                *(int(value) for value in step.x),
                _sum(zip(weights, step.x, strict=True), bias),
                round(step.z, 6),
                step.prediction,
                step.y,
                step.error,
                "–" if not step.error else f"({', '.join(map(write, step.weight_change))})",
                "–" if not step.error else write(step.bias_change),
                f"({', '.join(map(write, step.weights))})",
                step.bias,
            )
        )
        weights, bias = step.weights, step.bias
    return Table(("epoch", "x₁", "x₂", "sum", "z", "ŷ", "y", "y − ŷ", "Δw", "Δb", "w", "b"), tuple(rows))


def _sum(products: Iterable[tuple[Any, Any]], bias: Any = None) -> str:
    """A sum of products written out: ``0.5·1 − 0.2·3 + 1``."""
    terms = [f"{write(float(w))}·{_factor(x)}" for w, x in products]
    terms += [] if bias is None else [write(float(bias))]
    return " + ".join(terms).replace("+ −", "− ")


def _factor(value: Any) -> str:
    """A number after a product's dot, in brackets where it is negative."""
    text = write(float(value))
    return f"({text})" if text.startswith("−") else text


# ------------------------------------------------------------------------------------------------ XOR

XOR_X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR_Y = np.array([[0], [1], [1], [0]], np.float32)
XOR_SEED, XOR_RATE, XOR_STEPS, XOR_STARTS = 0, 0.5, 1000, 100


class Step(NamedTuple):
    """One step of gradient descent on the four rows of XOR."""

    params: Any
    outputs: tuple[Any, ...]
    """z and a of the hidden layer, z and a of the output."""
    deltas: tuple[Any, ...]
    """∂L/∂ each of them; None where softmax or sigmoid and loss are one."""
    grads: Any
    loss: Any
    after: Any
    """The parameters after the update."""


def xor_network() -> Network:
    """2–2–1: two tanh neurons, one sigmoid neuron."""
    return Network(Dense(2, "tanh", weights="glorot_uniform"), Dense(1, "sigmoid", weights="glorot_uniform"))


@jax.jit
def xor_step(params: Any) -> Step:
    """Forward, loss, backward and update of all four rows at once."""
    network, rule = xor_network(), SGD(XOR_RATE)
    state = tuple({} for _ in network.layers)
    x, y = jnp.asarray(XOR_X), jnp.asarray(XOR_Y)
    back = backpropagate(network, BinaryCrossEntropy(), params, state, x, y, jnp.ones(4))
    after = rule.update(back.grads, rule.init(params), params).params
    return Step(params, back.outputs, back.deltas, back.grads, back.loss, after)


class Training(NamedTuple):
    """Many steps."""

    params: Any
    loss: Any
    """Before each step."""
    right: Any
    """Whether all four rows were on their side of ½, before each step."""


@jax.jit
def train_xor(params: Any) -> Training:
    """`XOR_STEPS` steps of gradient descent, as one program."""

    def step(params: Any, _: Any) -> tuple[Any, Any]:
        made = xor_step(params)
        return made.after, (made.loss, jnp.all((made.outputs[3] > 0.5) == (jnp.asarray(XOR_Y) > 0.5)))

    params, (loss, right) = jax.lax.scan(step, params, None, length=XOR_STEPS)
    return Training(params, loss, right)


def _start(seed: Any) -> Any:
    return xor_network().init(jax.random.key(seed), (2,))[0]


def xor_by_hand() -> Page:
    """XOR by a 2–2–1 network: every number of one step, then training to the solution (subject 2.7, 3.4, 3.5)."""
    params = _start(XOR_SEED)
    first, trained = xor_step(params), train_xor(params)
    last = xor_step(trained.params)
    solved = jax.vmap(lambda seed: train_xor(_start(seed)).right[-1])(jnp.arange(XOR_STARTS))
    hidden = np.asarray(last.outputs[1])
    # Rounded, so that the certificate's fractions stay short.
    proof = separability(np.round(hidden, 3), XOR_Y[:, 0].astype(int))
    sections: dict[str, Content] = {
        "task": f"y = 1 where exactly one input is 1. {separability(XOR_X, XOR_Y[:, 0].astype(int))}",
        "network": Formulas(
            {
                "hidden layer": "z₁ = x₁ W₁₁ + x₂ W₂₁ + b₁; z₂ = x₁ W₁₂ + x₂ W₂₂ + b₂; a = tanh(z)",
                "output": "z = a₁ V₁ + a₂ V₂ + c; ŷ = 1 / (1 + e^−z)",
                "loss": "L = mean of −[y log ŷ + (1 − y) log(1 − ŷ)]",
            }
        ),
        "first step, forward": _xor_forward(first),
        "one sum written out": Facts(_xor_sums(first)),
        "first step, backward": _xor_backward(first),
        "first step, update": _xor_update(first),
        "training": (Curve("loss", "step", np.arange(1.0, XOR_STEPS + 1), np.asarray(trained.loss)),),
        f"after {XOR_STEPS} steps": _xor_forward(last),
        "solved": Facts(
            {
                "loss at first": float(first.loss),
                "loss at last": float(last.loss),
                "steps until all four are right": int(np.flatnonzero(~np.asarray(trained.right))[-1]) + 1,
                "other starts": f"{int(solved.sum())} of {XOR_STARTS} seeds solve it in {XOR_STEPS} steps",
                "the hidden layer has made it separable": str(proof),
            }
        ),
    }
    return Page("xor-by-hand", "XOR by a 2–2–1 network, step by step (subject 2.7, 3.4, 3.5)", sections)


def _xor_forward(step: Step) -> Table:
    z1, a1, z2, a2 = (np.asarray(part) for part in step.outputs)
    y_hat = np.clip(a2[:, 0], 1e-7, 1 - 1e-7)
    y = XOR_Y[:, 0]
    loss = -(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat))
    rows = [
        (*(int(v) for v in XOR_X[i]), *map(float, (*z1[i], *a1[i], z2[i, 0], a2[i, 0])), int(y[i]), float(loss[i]))
        for i in range(4)
    ]
    return Table(("x₁", "x₂", "z₁", "z₂", "a₁", "a₂", "z", "ŷ", "y", "loss"), tuple(rows))


def _xor_sums(step: Step) -> dict[str, str]:
    """The numbers of the second row, (0, 1), put into the formulas."""
    W, b = (np.asarray(step.params[0][name]) for name in ("weights", "biases"))
    V, c = (np.asarray(step.params[2][name]) for name in ("weights", "biases"))
    z1, a1, z2, a2 = (np.asarray(part)[1] for part in step.outputs)
    error = float(a2[0]) - 1
    return {
        "z₁ of row (0, 1)": f"{_sum(zip(W[:, 0], XOR_X[1], strict=True), b[0])} = {write(z1[0])}",
        "a₁": f"tanh({write(z1[0])}) = {write(a1[0])}",
        "z": f"{_sum(zip(a1, V[:, 0], strict=True), c[0])} = {write(z2[0])}",
        "ŷ": f"1 / (1 + e^{_factor(-z2[0])}) = {write(a2[0])}",
        "L": f"−log {write(a2[0])} = {write(float(-np.log(a2[0])))}",
        "∂L/∂z": f"(ŷ − y) / 4 = ({write(a2[0])} − 1) / 4 = {write(error / 4)}",
    }


def _xor_backward(step: Step) -> Table:
    dz1, da1, dz2 = (np.asarray(part) for part in step.deltas[:3])
    rows = [(*(int(v) for v in XOR_X[i]), float(dz2[i, 0]), *map(float, (*da1[i], *dz1[i]))) for i in range(4)]
    headings = (
        "x₁",
        "x₂",
        "∂L/∂z = (ŷ−y)/4",
        "∂L/∂a₁ = ∂L/∂z·V₁",
        "∂L/∂a₂ = ∂L/∂z·V₂",
        "∂L/∂z₁ = ∂L/∂a₁·(1−a₁²)",
        "∂L/∂z₂ = ∂L/∂a₂·(1−a₂²)",
    )
    return Table(headings, tuple(rows))


def _xor_update(step: Step) -> Table:
    places = [
        ("W₁₁ = x₁ to z₁", 0, "weights", (0, 0)),
        ("W₁₂ = x₁ to z₂", 0, "weights", (0, 1)),
        ("W₂₁ = x₂ to z₁", 0, "weights", (1, 0)),
        ("W₂₂ = x₂ to z₂", 0, "weights", (1, 1)),
        ("b₁", 0, "biases", (0,)),
        ("b₂", 0, "biases", (1,)),
        ("V₁", 2, "weights", (0, 0)),
        ("V₂", 2, "weights", (1, 0)),
        ("c", 2, "biases", (0,)),
    ]
    incoming = {0: XOR_X, 2: np.asarray(step.outputs[1])}
    differences = _central_differences(step.params)
    rows = []
    for label, layer, name, at in places:
        delta = np.asarray(step.deltas[layer])[:, at[-1]]
        factor = incoming[layer][:, at[0]] if name == "weights" else np.ones(4)
        before, gradient, after, checked = (
            float(np.asarray(tree[layer][name])[at]) for tree in (step.params, step.grads, step.after, differences)
        )
        rows.append((label, _sum(zip(delta, factor, strict=True)), gradient, checked, before, after))
    headings = (
        "parameter",
        "∂L/∂z · what it multiplies, over the rows",
        "∂L/∂w",
        "by difference",
        "w",
        f"w − {XOR_RATE} ∂L/∂w",
    )
    return Table(headings, tuple(rows))


def _central_differences(params: Any) -> Any:
    """The gradients again, as (L(w + h) − L(w − h)) / 2h in float64."""
    with jax.enable_x64(True):
        network, h = xor_network(), 1e-5
        state = tuple({} for _ in network.layers)
        x, y = (jnp.asarray(part, jnp.float64) for part in (XOR_X, XOR_Y))
        leaves, tree = jax.tree.flatten(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params))

        @jax.jit
        def loss(leaves: list[Any]) -> jax.Array:
            held = jax.tree.unflatten(tree, leaves)
            return BinaryCrossEntropy()(network.forward(held, state, x).outputs[-1], y)

        gradients = [np.zeros_like(leaf) for leaf in leaves]
        for i, leaf in enumerate(leaves):
            for at in np.ndindex(leaf.shape):
                shift = np.zeros_like(leaf)
                shift[at] = h
                up, down = ([*leaves[:i], leaf + side * shift, *leaves[i + 1 :]] for side in (1, -1))
                gradients[i][at] = float(loss(up) - loss(down)) / (2 * h)
        return jax.tree.unflatten(tree, gradients)


# ------------------------------------------------------------------------------- forward and backward

DIGIT_RATE = 0.1


def a_step_on_a_digit() -> Page:
    """Forward against backward on one handwritten digit: operations, shapes, sizes, products (subject 3.7, 3.8)."""
    data, network = load_dataset("mnist-5k"), reference_network()
    x = jnp.asarray(data.train.x[:1].reshape(1, -1), jnp.float32) / 255
    y = jnp.asarray(data.train.y[:1], jnp.int32)
    params, state, _ = network.init(jax.random.key(0), (784,))
    loss, rule = SparseCategoricalCrossEntropy(), SGD(DIGIT_RATE)
    back = jax.jit(lambda params: backpropagate(network, loss, params, state, x, y, jnp.ones(1)))(params)
    after = rule.update(back.grads, rule.init(params), params).params
    again = network.forward(after, state, x, training=False).outputs[-1]
    label = int(y[0])

    forward, backward = [("x", "the digit's pixels", "–", (784,), _size(x), _zeros(x))], []
    for name, held, output in zip(network.names, params, back.outputs, strict=True):
        operation = "z = x·W + b" if held else f"a = {name.split('_')[0]}(z)"
        shape = "×".join(map(str, held["weights"].shape)) if held else "–"
        forward.append((name, operation, shape, output.shape[1:], _size(output), _zeros(output)))
    for name, held, delta, grads in reversed(list(zip(network.names, params, back.deltas, back.grads, strict=True))):
        operation = "∂L/∂W = xᵀ·dz, ∂L/∂b = dz, ∂L/∂x = dz·Wᵀ" if held else "dz = da · f′(z)"
        if delta is None:
            operation = "with the loss in one step: dz = softmax(z) − y"
        backward.append(
            (
                name,
                operation,
                "–" if delta is None else delta.shape[1:],
                None if delta is None else _size(delta),
                _size(grads["weights"]) if held else None,
            )
        )
    general = forward_and_backward()
    sections: dict[str, Content] = {
        "one step": f"The digit is a {label}. The network is 784–128–128–10, untrained, seed 0.",
        "forward": Table(("layer", "operation", "weights", "shape", "norm", "share of zeros"), tuple(forward)),
        "loss": Facts({"probability of the digit": float(back.outputs[-1][0, label]), "L = −log ŷ": float(back.loss)}),
        "backward": Table(("layer", "operation", "gradients", "norm of ∂L/∂output", "norm of ∂L/∂W"), tuple(backward)),
        f"update, W ← W − {DIGIT_RATE} ∂L/∂W": Facts(
            {
                "numbers changed": sum(leaf.size for leaf in jax.tree.leaves(params)),
                "probability of the digit": f"{float(back.outputs[-1][0, label]):.4f} → {float(again[0, label]):.4f}",
            }
        ),
        **general.sections,
    }
    return Page("forward-and-backward", "Forward and backward, one step on a digit (subject 3.8)", sections)


def _size(array: Any) -> float:
    return float(jnp.linalg.norm(array.ravel()))


def _zeros(array: Any) -> float:
    return round(float((array == 0).mean()), 3)


WALKTHROUGHS: Mapping[str, Callable[[], Page]] = {
    "and-by-hand": and_by_hand,
    "xor-by-hand": xor_by_hand,
    "forward-and-backward": a_step_on_a_digit,
}
"""By name."""


def walk_through(name: str) -> Page:
    """A worked example with every number; print it, or take its ``markdown()``, ``data`` or ``figure()``.

    Args:
        name: ``"and-by-hand"``, ``"xor-by-hand"`` or ``"forward-and-backward"``.

    Raises:
        UnknownName: no such example.

    Example:
        >>> walk_through("and-by-hand").data["learnt"]["mistakes"]
        11
    """
    if name in WALKTHROUGHS:
        return WALKTHROUGHS[name]()
    near = difflib.get_close_matches(name, WALKTHROUGHS, n=1)
    advice = f"Did you mean {near[0]!r}? " if near else ""
    raise UnknownName(f"no walk-through is named {name!r}. {advice}Known: {', '.join(WALKTHROUGHS)}.")
