"""Three worked examples, every number of them printed: AND, XOR, and one step forward and backward.

Unlike a lesson they test no claim; each runs the library's own code and shows what it computed.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import pellucid as pel
from pellucid.core.errors import did_you_mean
from pellucid.core.formula import Formula
from pellucid.losses import BinaryCrossEntropy, SparseCategoricalCrossEntropy
from pellucid.report.document import Table, number
from pellucid_textbook.catalogue.comparisons import forward_and_backward, reference_network
from pellucid_textbook.charts import lines
from pellucid_textbook.page import Content, Formulas, Page
from pellucid_textbook.perceptron import FittedPerceptron, Perceptron, and_gate
from pellucid_textbook.separable import separability
from pellucid_textbook.texts import read_texts

TEXTS = read_texts("lessons/walkthroughs")


def _formulas(name: str, heading: str) -> Formulas:
    return Formulas({label: Formula(source) for label, source in TEXTS[name][heading].items()})


def _line(title: str, x_label: str, y: Any) -> list[Any]:
    return [lines(title, x_label, "", range(1, len(y) + 1), {title: y})]


# ------------------------------------------------------------------------------------------------ AND


def and_by_hand() -> Page:
    """AND by the perceptron rule: from a start that is right already, and from one that has to learn."""
    x, y, ready = and_gate()
    given, learnt = ready.fit(x, y, record=True), Perceptron().fit(x, y, record=True)
    sections: dict[str, Content] = {
        "neuron": _formulas("and-by-hand", "neuron"),
        "rule": _formulas("and-by-hand", "rule"),
        "from w = (0.5, 0.5) and b = −0.7": _perceptron_steps(given),
        "so": f"{given.verdict} The start is right on all four rows: nothing is to be learnt.",
        "from w = (0, 0) and b = 0, η = 1": _perceptron_steps(learnt),
        "mistakes": _line("mistakes in an epoch", "epoch", learnt.mistakes_per_epoch),
        "learnt": {
            "epochs": learnt.epochs,
            "mistakes": learnt.mistakes,
            "w": _point(learnt.weights),
            "b": learnt.bias,
            "predictions": ", ".join(str(label) for label in learnt.predict(x)),
            "why": learnt.verdict,
            "why it had to end": _bound(learnt),
        },
    }
    return Page("and-by-hand", TEXTS["and-by-hand"]["title"], sections)


def _bound(fitted: FittedPerceptron) -> str:
    proof, start = fitted.separability, fitted.perceptron.start(2)
    most = proof.mistake_bound(fitted.x, start, fitted.perceptron.learning_rate)  # pyright: ignore[reportAttributeAccessIssue]
    return f"{proof} So at most {most:,} mistakes are made from this start (Novikoff 1962)."


def _perceptron_steps(fitted: FittedPerceptron) -> Table:
    start = fitted.perceptron.start(2)
    weights, bias = tuple(start[:2].tolist()), float(start[2])
    rows = []
    for step in fitted.steps:
        changes = (_point(step.weight_change), number(step.bias_change)) if step.error else ("–", "–")
        products = _sum(zip(weights, step.x, strict=True), bias)
        weights, bias = step.weights, step.bias
        inputs = [int(value) for value in step.x]
        predicted = (round(step.z, 6), step.prediction, step.y, step.error)
        rows.append((step.epoch, *inputs, products, *predicted, *changes, _point(weights), bias))
    return Table(("epoch", "x₁", "x₂", "sum", "z", "ŷ", "y", "y − ŷ", "Δw", "Δb", "w", "b"), rows)


def _point(values: Iterable[Any]) -> str:
    return f"({', '.join(map(number, values))})"


def _sum(products: Iterable[tuple[Any, Any]], bias: Any = None) -> str:
    """A sum of products written out: ``0.5·1 − 0.2·3 + 1``."""
    terms = [f"{number(float(w))}·{_factor(x)}" for w, x in products]
    terms += [] if bias is None else [number(float(bias))]
    return " + ".join(terms).replace("+ −", "− ")


def _factor(value: Any) -> str:
    """A number after a product's dot, in brackets where it is negative."""
    text = number(float(value))
    return f"({text})" if text.startswith("−") else text


# ------------------------------------------------------------------------------------------------ XOR

XOR_X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR_Y = np.array([[0], [1], [1], [0]], np.float32)
XOR_SEED, XOR_RATE, XOR_STEPS, XOR_STARTS = 0, 0.5, 1000, 100


class Step(NamedTuple):
    """One step of gradient descent on the four rows of XOR: parameters before and after, and all between."""

    params: Any
    outputs: tuple[Any, ...]
    """z and a of the hidden layer, z and a of the output."""
    deltas: tuple[Any, ...]
    """∂L/∂ each of them; None where sigmoid and loss are one."""
    grads: Any
    loss: Any
    after: Any


def xor_network() -> pel.Network:
    """2–2–1: two tanh neurons, one sigmoid neuron."""
    return pel.Network(
        pel.Dense(2, "tanh", weights="glorot_uniform"), pel.Dense(1, "sigmoid", weights="glorot_uniform")
    )


@jax.jit
def xor_step(params: Any) -> Step:
    """Forward, loss, backward and update of all four rows at once."""
    network, rule = xor_network(), pel.SGD(XOR_RATE)
    state = tuple({} for _ in network.layers)
    x, y = jnp.asarray(XOR_X), jnp.asarray(XOR_Y)
    back = pel.backpropagate(network, BinaryCrossEntropy(), params, state, x, y, jnp.ones(4))
    after = rule.update(back.grads, rule.init(params), params).params
    return Step(params, back.outputs, back.deltas, back.grads, back.loss, after)


class Training(NamedTuple):
    """Many steps: the last parameters; the loss before each, and whether all four rows were on their side of ½."""

    params: Any
    loss: Any
    right: Any


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
    """XOR by a 2–2–1 network: every number of one step, then training to the solution."""
    params, labels = _start(XOR_SEED), XOR_Y[:, 0].astype(int)
    first, trained = xor_step(params), train_xor(params)
    last = xor_step(trained.params)
    solved = jax.vmap(lambda seed: train_xor(_start(seed)).right[-1])(jnp.arange(XOR_STARTS))
    # Rounded, so that the certificate's fractions stay short.
    proof = separability(np.round(np.asarray(last.outputs[1]), 3), labels)
    sections: dict[str, Content] = {
        "task": f"y = 1 where exactly one input is 1. {separability(XOR_X, labels)}",
        "network": _formulas("xor-by-hand", "network"),
        "first step, forward": _xor_forward(first),
        "one sum written out": _xor_sums(first),
        "first step, backward": _xor_backward(first),
        "first step, update": _xor_update(first),
        "training": _line("loss", "step", trained.loss),
        f"after {XOR_STEPS} steps": _xor_forward(last),
        "solved": {
            "loss at first": float(first.loss),
            "loss at last": float(last.loss),
            "steps until all four are right": int(np.flatnonzero(~np.asarray(trained.right))[-1]) + 1,
            "other starts": f"{int(solved.sum())} of {XOR_STARTS} seeds solve it in {XOR_STEPS} steps",
            "the hidden layer has made it separable": str(proof),
        },
    }
    return Page("xor-by-hand", TEXTS["xor-by-hand"]["title"], sections)


def _xor_rows(*columns: Any) -> list[tuple[Any, ...]]:
    values = np.column_stack([np.asarray(column).reshape(4, -1) for column in columns]).tolist()
    return [(*(int(x) for x in XOR_X[i]), *values[i]) for i in range(4)]


def _xor_forward(step: Step) -> Table:
    z1, a1, z2, a2 = (np.asarray(part) for part in step.outputs)
    y_hat = np.clip(a2, 1e-7, 1 - 1e-7)
    loss = -(XOR_Y * np.log(y_hat) + (1 - XOR_Y) * np.log(1 - y_hat))
    head = ("x₁", "x₂", "z₁", "z₂", "a₁", "a₂", "z", "ŷ", "y", "loss")
    return Table(head, _xor_rows(z1, a1, z2, a2, XOR_Y, loss))


def _xor_sums(step: Step) -> dict[str, str]:
    """The numbers of the second row, (0, 1), put into the formulas."""
    W, b = (np.asarray(step.params[0][name]) for name in ("weights", "biases"))
    V, c = (np.asarray(step.params[2][name]) for name in ("weights", "biases"))
    z1, a1, z2, a2 = (np.asarray(part)[1] for part in step.outputs)
    return {
        "z₁ of row (0, 1)": f"{_sum(zip(W[:, 0], XOR_X[1], strict=True), b[0])} = {number(z1[0])}",
        "a₁": f"tanh({number(z1[0])}) = {number(a1[0])}",
        "z": f"{_sum(zip(a1, V[:, 0], strict=True), c[0])} = {number(z2[0])}",
        "ŷ": f"1 / (1 + e^{_factor(-z2[0])}) = {number(a2[0])}",
        "L": f"−log {number(a2[0])} = {number(float(-np.log(a2[0])))}",
        "∂L/∂z": f"(ŷ − y) / 4 = ({number(a2[0])} − 1) / 4 = {number((float(a2[0]) - 1) / 4)}",
    }


def _xor_backward(step: Step) -> Table:
    dz1, da1, dz2 = (np.asarray(part) for part in step.deltas[:3])
    backward = ("∂L/∂a₁ = ∂L/∂z·V₁", "∂L/∂a₂ = ∂L/∂z·V₂", "∂L/∂z₁ = ∂L/∂a₁·(1−a₁²)", "∂L/∂z₂ = ∂L/∂a₂·(1−a₂²)")
    return Table(("x₁", "x₂", "∂L/∂z = (ŷ−y)/4", *backward), _xor_rows(dz2, da1, dz1))


def _xor_update(step: Step) -> Table:
    labels = ("W₁₁ = x₁ to z₁", "W₁₂ = x₁ to z₂", "W₂₁ = x₂ to z₁", "W₂₂ = x₂ to z₂", "b₁", "b₂", "V₁", "V₂", "c")
    arrays = ((0, "weights"), (0, "biases"), (2, "weights"), (2, "biases"))
    elements = [(layer, name, at) for layer, name in arrays for at in np.ndindex(step.params[layer][name].shape)]
    incoming = {0: XOR_X, 2: np.asarray(step.outputs[1])}
    differences = _central_differences(step.params)
    rows = []
    for label, (layer, name, at) in zip(labels, elements, strict=True):
        delta = np.asarray(step.deltas[layer])[:, at[-1]]
        factor = incoming[layer][:, at[0]] if name == "weights" else np.ones(4)
        before, gradient, after, checked = (
            float(np.asarray(tree[layer][name])[at]) for tree in (step.params, step.grads, step.after, differences)
        )
        rows.append((label, _sum(zip(delta, factor, strict=True)), gradient, checked, before, after))
    products = "∂L/∂z · what it multiplies, over the rows"
    return Table(("parameter", products, "∂L/∂w", "by difference", "w", f"w − {XOR_RATE} ∂L/∂w"), rows)


def _central_differences(params: Any) -> Any:
    """The gradients again, as (L(w + h) − L(w − h)) / 2h in float64."""
    with jax.enable_x64(True):
        network, h = xor_network(), 1e-5
        x, y = jnp.asarray(XOR_X, jnp.float64), jnp.asarray(XOR_Y, jnp.float64)
        flat, unravel = ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), params))

        @jax.jit
        @jax.vmap
        def loss(weights: Any) -> Any:
            outputs = network.forward(unravel(weights), ({},) * len(network.layers), x).outputs
            return BinaryCrossEntropy()(outputs[-1], y)

        steps = h * jnp.eye(len(flat))
        return jax.tree.map(np.asarray, unravel((loss(flat[None] + steps) - loss(flat[None] - steps)) / (2 * h)))


# ------------------------------------------------------------------------------- forward and backward

DIGIT_RATE = 0.1


def a_step_on_a_digit() -> Page:
    """Forward against backward on one handwritten digit: operations, shapes, sizes, products."""
    data, network = pel.load_dataset("mnist-5k"), reference_network()
    x = jnp.asarray(data.train.x[:1].reshape(1, -1), jnp.float32) / 255
    y = jnp.asarray(data.train.y[:1], jnp.int32)
    params, state, _ = network.init(jax.random.key(0), (784,))
    loss, rule = SparseCategoricalCrossEntropy(), pel.SGD(DIGIT_RATE)
    back = jax.jit(lambda params: pel.backpropagate(network, loss, params, state, x, y, jnp.ones(1)))(params)
    after = rule.update(back.grads, rule.init(params), params).params
    again = network.forward(after, state, x, training=False).outputs[-1]
    label, probabilities = int(y[0]), back.outputs[-1][0]

    forward: list[tuple[Any, ...]] = [("x", "the digit's pixels", "–", (784,), _size(x), _zeros(x))]
    for name, own, output in zip(network.names, params, back.outputs, strict=True):
        operation = "z = x·W + b" if own else f"a = {name.split('_')[0]}(z)"
        shape = "×".join(map(str, own["weights"].shape)) if own else "–"
        forward.append((name, operation, shape, output.shape[1:], _size(output), _zeros(output)))
    backward = []
    for name, own, delta, grads in reversed(list(zip(network.names, params, back.deltas, back.grads, strict=True))):
        operation = "∂L/∂W = xᵀ·dz, ∂L/∂b = dz, ∂L/∂x = dz·Wᵀ" if own else "dz = da · f′(z)"
        if delta is None:
            operation = "with the loss in one step: dz = softmax(z) − y"
        shape, size = ("–", None) if delta is None else (delta.shape[1:], _size(delta))
        backward.append((name, operation, shape, size, _size(grads["weights"]) if own else None))
    sections: dict[str, Content] = {
        "one step": f"The digit is a {label}. The network is 784–128–128–10, untrained, seed 0.",
        "forward": Table(("layer", "operation", "weights", "shape", "norm", "fraction of zeros"), forward),
        "loss": {"probability of the digit": float(probabilities[label]), "L = −log ŷ": float(back.loss)},
        "backward": Table(("layer", "operation", "gradients", "norm of ∂L/∂output", "norm of ∂L/∂W"), backward),
        f"update, W ← W − {DIGIT_RATE} ∂L/∂W": {
            "numbers changed": sum(leaf.size for leaf in jax.tree.leaves(params)),
            "probability of the digit": f"{float(probabilities[label]):.4f} → {float(again[0, label]):.4f}",
        },
        **forward_and_backward().sections,
    }
    return Page("forward-and-backward", TEXTS["forward-and-backward"]["title"], sections)


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
    advice = did_you_mean(name, WALKTHROUGHS)
    raise pel.UnknownName(f"no walk-through is named {name!r}.{advice} Known: {', '.join(WALKTHROUGHS)}.")
