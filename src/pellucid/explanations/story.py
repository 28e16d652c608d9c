"""An explanation told in order, once for all its forms: headings, sentences, formulas, tables, pictures."""

import numpy as np

from pellucid.explanations.blocks import (
    SHOWN,
    Block,
    Cell,
    Gallery,
    Heading,
    Lines,
    Numbers,
    Table,
    Text,
    shape_of,
    some_of,
)
from pellucid.explanations.difference import STEPS, Check
from pellucid.explanations.formula import SYMBOLS, Line, Math, below, gradient, number, place, symbol
from pellucid.explanations.looking import images, inputs, over_time
from pellucid.explanations.numbers import Explanation, LayerNumbers

MOST = 4096
"""Numbers of an array that the page holds; larger ones are in the JSON."""


COMPUTES = {
    "dense": "z = x·W + b",
    "conv1d": "z = x ⋆ W + b",
    "conv2d": "z = x ⋆ W + b",
    "conv1d_transpose": "z = x ⋆ᵀ W + b",
    "conv2d_transpose": "z = x ⋆ᵀ W + b",
    "rnn": "h ← f(x·W + h·R + b)",
    "lstm": "c ← f·c + i·g, h ← o·tanh(c)",
    "gru": "h ← u·h + (1 − u)·n",
    "add": "Σ x",
    "multiply": "Π x",
    "batch_norm": "γ·(x − μ)/√(σ² + ε) + β",
    "layer_norm": "γ·(x − μ)/√(σ² + ε) + β",
    "max_pool1d": "max over windows",
    "max_pool2d": "max over windows",
    "average_pool1d": "mean over windows",
    "average_pool2d": "mean over windows",
    "flatten": "the same numbers in a row",
    "reshape": "the same numbers in another shape",
    "dropout": "unchanged in prediction",
    "embedding": "W[x]",
}
VALUES = {"sigmoid": "1 / (1 + exp(-z))", "tanh": "tanh(z)", "relu": "max(0, z)", "linear": "z"}
DERIVATIVES = {"sigmoid": "a * (1 - a)", "tanh": "1 - a**2"}
LOSSES = {
    "binary_cross_entropy": ("-(y * log(yhat) + (1 - y) * log(1 - yhat))", "(yhat - y) / (yhat * (1 - yhat))"),
    "mean_squared_error": ("(yhat - y)**2", "2 * (yhat - y)"),
    "mean_absolute_error": ("abs(yhat - y)", "sign(yhat - y)"),
}
"""The loss of a single output and its gradient."""


def in_words(told: Explanation) -> list[Block]:
    """The story without what only a page can show, and without headings that nothing is left below."""
    kept: list[Block] = []
    for block in story(told):
        if isinstance(block, Gallery | Numbers):
            continue
        if isinstance(block, Heading) and kept and isinstance(kept[-1], Heading):
            kept.pop()
        kept.append(block)
    return kept[:-1] if isinstance(kept[-1], Heading) else kept


def story(told: Explanation) -> list[Block]:
    """The whole explanation in order."""
    return [
        *_head(told),
        *_forward(told),
        *_neuron(told),
        *_loss(told),
        *_backward(told),
        *_chain(told),
        *_update(told),
        *_checks(told),
        *inputs(told),
        *images(told),
        *over_time(told),
    ]


def _head(told: Explanation) -> list[Block]:
    facts = told.facts
    rows = (
        ("target", facts.target),
        ("prediction", facts.prediction),
        ("loss", f"{number(told.loss.value).text}, {told.loss.name.replace('_', ' ')}"),
        (
            "worst relative error of a derivative",
            f"{told.worst_error:.1e}, of {_count(told)} checked by central differences",
        ),
    )
    return [Table(("", ""), rows), Text(" ".join(facts.remarks))]


def _count(told: Explanation) -> int:
    return sum(check.status == "checked" for check in told.checks)


def _forward(told: Explanation) -> list[Block]:
    rows = [("x", "the input", shape_of(told.x), some_of(told.x))]
    rows += [(layer.name, _computes(layer), shape_of(layer.output), some_of(layer.output)) for layer in told.layers]
    every = [Numbers(f"x, {shape_of(told.x)}", told.x)]
    every += [Numbers(f"{layer.name}, {shape_of(layer.output)}", layer.output) for layer in told.layers]
    head = ("layer", "computes", "shape", "numbers")
    return [Heading("Forward: every z and a"), Table(head, tuple(rows)), *_all_of(every)]


def _all_of(arrays: list[Numbers]) -> list[Block]:
    """Those that are not in the table above already, and not too long to read."""
    return [one for one in arrays if 2 * SHOWN < one.array.size <= MOST]


def _computes(layer: LayerNumbers) -> str:
    return f"a = {layer.kind}(z)" if layer.activation else COMPUTES.get(layer.kind, layer.kind.replace("_", " "))


def _neuron(told: Explanation) -> list[Block]:
    chosen = told.chosen
    if not chosen.inputs:
        return []
    blocks: list[Block] = [
        Heading(f"The neuron {place(chosen.layer, chosen.place)}: its sum"),
        Text(
            (
                "At the time at which the weight matters most, the"
                if told.recurrent and chosen.activation is None
                else "The"
            )
            + " neuron adds up what it reads, each number times its weight, and the bias."
        ),
    ]
    head = chosen.inputs[:SHOWN]
    rest = chosen.inputs[SHOWN:]
    w, x = SYMBOLS["w"], SYMBOLS["x"]
    rows: list[tuple[Cell, ...]] = [
        (place(one.name, one.index), one.weight, one.value, one.weight * one.value) for one in head
    ]
    if rest:
        rows.append((f"{len(rest)} more", "", "", sum(one.weight * one.value for one in rest)))
    rows += [("bias", "", "", chosen.bias), ("z", "", "", chosen.z)]
    product = Math(f"{w.text} · {x.text}", rf"{w.latex} \cdot {x.latex}", f"{w.mathml}<mo>·</mo>{x.mathml}")
    blocks.append(Table(("", w, x, product), tuple(rows)))
    term = next((one for one in chosen.terms if one.place == chosen.place), None)
    if term is not None and term.a is not None and chosen.function is not None:
        source = VALUES.get(chosen.function, repr(term.a))
        blocks.append(Lines((Line("a", source, {"z": term.z}),)))
    return blocks


def _loss(told: Explanation) -> list[Block]:
    loss = told.loss
    blocks: list[Block] = [Heading("The loss"), Text(f"{loss.name.replace('_', ' ')}. {loss.formula}")]
    if loss.name.endswith("categorical_cross_entropy") and loss.prediction.ndim == 1:
        label = int(loss.target.argmax()) if loss.target.ndim else int(loss.target)
        if loss.target.ndim == 0 or loss.target.max() == 1:
            blocks.append(Lines((Line("L", "-log(yhat_y)", {"yhat_y": float(loss.prediction[label])}),)))
            return blocks
    if loss.name in LOSSES and loss.prediction.size == 1:
        numbers = {"yhat": loss.prediction.item(), "y": loss.target.item()}
        return [*blocks, Lines((Line("L", LOSSES[loss.name][0], numbers),))]
    return [*blocks, Lines((Line("L", repr(loss.value), {}),))]


def _backward(told: Explanation) -> list[Block]:
    rows = []
    for layer in reversed(told.layers):
        grads = ", ".join(f"{name} {np.linalg.norm(grad):.4g}" for name, grad in layer.grads.items())
        gradients = "–" if layer.gradient is None else some_of(layer.gradient)
        rows.append((layer.name, gradients, grads or "–"))
    rows.append(("x", some_of(told.x_gradient), "–"))
    head = ("layer", gradient(SYMBOLS["L"], symbol("out", r"\text{out}")), "size of the gradient, ‖∂L/∂W‖")
    return [
        Heading("Backward: every gradient of the loss"),
        Text("From the loss to the input; z of a map, a of an activation."),
        Table(head, tuple(rows)),
        *_all_of(
            [
                Numbers(f"∂L/∂{one.name}, {shape_of(one.gradient)}", one.gradient)
                for one in told.layers
                if one.gradient is not None
            ]
        ),
    ]


def _chain(told: Explanation) -> list[Block]:
    chosen = told.chosen
    weight = place(f"{chosen.layer}.{chosen.parameter}", chosen.index)
    blocks: list[Block] = [
        Heading(f"The chain rule for {weight}"),
        Text(f"The weight is {number(chosen.weight).text}. ∂L/∂w = ∂L/∂a · ∂a/∂z · ∂z/∂w, factor by factor."),
    ]
    if told.coupled is not None and told.coupled.layer == chosen.activation:
        blocks += _softmax(told)
    elif chosen.terms:
        blocks += _comes_back(told)
    if not chosen.terms:
        return [*blocks, Text("No output depends on it for this example: ∂L/∂w = 0.")]
    term = chosen.terms[0]
    lines = []
    if term.dL_da is not None and term.da_dz is not None and chosen.function is not None:
        lines.append(_gradient_of_loss(told, term.dL_da) or Line("dL_da", repr(term.dL_da), {}))
        lines.append(Line("da_dz", DERIVATIVES.get(chosen.function, repr(term.da_dz)), {"a": term.a or 0.0}))
        lines.append(Line("dL_dz", "dL_da * da_dz", {"dL_da": term.dL_da, "da_dz": term.da_dz}))
    else:
        found = None if chosen.activation else _gradient_of_loss(told, term.dL_dz, "dL_dz")
        lines.append(found or Line("dL_dz", repr(term.dL_dz), {}))
    lines.append(Line("dz_dw", repr(term.dz_dw), {}))
    if len(chosen.terms) == 1:
        numbers = {"dL_dz": term.dL_dz, "dz_dw": term.dz_dw}
        blocks.append(Lines((*lines, Line("dL_dw", "dL_dz * dz_dw", numbers))))
    else:
        what = "times" if any(one.layer == chosen.layer for one in told.recurrent) else "places"
        blocks += [
            Text(f"The weight acts at {len(chosen.terms)} {what}; the factors where it matters most:"),
            Lines(tuple(lines)),
            Text(f"The gradient is the sum over all {what}:"),
            _terms(told),
        ]
    blocks += [Text("The same derivatives by central differences:"), _compared(told)]
    return blocks


def _gradient_of_loss(told: Explanation, value: float, name: str = "dL_da") -> Line | None:
    """The gradient of the loss for the prediction with its numbers, where the chosen neuron is the only output."""
    end = told.layers[-1].name
    if (
        told.loss.name not in LOSSES
        or told.loss.prediction.size != 1
        or end not in (told.chosen.layer, told.chosen.activation)
    ):
        return None
    line = Line(name, LOSSES[told.loss.name][1], {"yhat": told.loss.prediction.item(), "y": told.loss.target.item()})
    return line if np.isclose(line.value, value, rtol=1e-9) else None


def _softmax(told: Explanation) -> list[Block]:
    coupled, chosen = told.coupled, told.chosen
    assert coupled is not None
    j = chosen.place[-1]
    order = sorted(range(len(coupled.a)), key=lambda k: -abs(coupled.dL_da[k] * coupled.jacobian[k, j]))
    a_k = below(SYMBOLS["a"], "k")
    z_j = below(SYMBOLS["z"], str(j))
    left, right = SYMBOLS["dL_da_k"], gradient(a_k, z_j)
    product = Math(
        f"{left.text} · {right.text}", rf"{left.latex} \cdot {right.latex}", f"{left.mathml}<mo>·</mo>{right.mathml}"
    )
    rows: list[tuple[Cell, ...]] = [
        (
            str(k),
            float(coupled.a[k]),
            float(coupled.dL_da[k]),
            float(coupled.jacobian[k, j]),
            float(coupled.dL_da[k] * coupled.jacobian[k, j]),
        )
        for k in sorted(order[: 2 * SHOWN])
    ]
    rows.append(("sum", "", "", "", float(coupled.product[j])))
    delta = number(float(coupled.fused[j])).text
    fused = (
        f"Backpropagation takes softmax and loss in one step, ∂L/∂z = a − y: {delta} here. "
        if coupled.paired
        else f"Backpropagation gives {delta}. "
    )
    return [
        Text(
            "Every output of the softmax depends on every z: ∂L/∂z is a sum over them, "
            "and ∂a_k/∂z_j = a_k (δ_kj − a_j)."
        ),
        Table(("k", a_k, left, right, product), tuple(rows)),
        Text(f"{fused}The two differ by at most {coupled.difference:.1e} over all {len(coupled.a)} z."),
    ]


def _comes_back(told: Explanation) -> list[Block]:
    """∂L/∂a of a hidden neuron, from the dense layer that reads it."""
    chosen = told.chosen
    reader = next((one for one in told.layers if one.reads == (chosen.activation or chosen.layer,)), None)
    if (
        reader is None
        or reader.kind != "dense"
        or reader.gradient is None
        or reader.gradient.ndim != 1
        or len(chosen.place) != 1
    ):
        return []
    weights = reader.params["weights"][chosen.place[0]]
    products = weights * reader.gradient
    order = np.argsort(-abs(products), kind="stable")[:SHOWN]
    rows: list[tuple[Cell, ...]] = [
        (place(reader.name, (int(k),)), float(weights[k]), float(reader.gradient[k]), float(products[k])) for k in order
    ]
    if len(products) > SHOWN:
        rows.append((f"{len(products) - SHOWN} more", "", "", float(products.sum() - products[order].sum())))
    rows.append(("sum", "", "", float(products.sum())))
    w_k, z_k = below(SYMBOLS["w"], "k"), below(SYMBOLS["z"], "k")
    d = gradient(SYMBOLS["L"], z_k)
    product = Math(f"{w_k.text} · {d.text}", rf"{w_k.latex} \cdot {d.latex}", f"{w_k.mathml}<mo>·</mo>{d.mathml}")
    return [
        Text(f"What comes back to it: ∂L/∂a is the sum over the neurons of {reader.name} that read it."),
        Table(("neuron", w_k, d, product), tuple(rows)),
    ]


def _terms(told: Explanation) -> Table:
    chosen = told.chosen
    count = max(1, sum(term.product != 0 for term in chosen.terms[:SHOWN]))
    shown, rest = chosen.terms[:count], chosen.terms[count:]
    through = next((one for one in told.recurrent if one.layer == chosen.layer), None)
    gated = shown[0].a is not None
    rows: list[tuple[Cell, ...]] = []
    for term in shown:
        where = f"time {term.place[0]}" if through else place("", term.place)
        middle = (term.a, term.da_dz) if gated else ()
        rows.append((where, term.z, *middle, term.dL_dz, term.dz_dw, term.product))  # pyright: ignore[reportArgumentType]
    blank = ("",) * (3 + 2 * gated)
    if rest:
        rows.append((f"{len(rest)} more", *blank, sum(term.product for term in rest)))
    rows.append(("sum, ∂L/∂w", *blank, sum(term.product for term in chosen.terms)))
    s = SYMBOLS
    middle = (s["a"], s["da_dz"]) if gated else ()
    product = Math(
        f"{s['dL_dz'].text} · {s['dz_dw'].text}",
        rf"{s['dL_dz'].latex} \cdot {s['dz_dw'].latex}",
        f"{s['dL_dz'].mathml}<mo>·</mo>{s['dz_dw'].mathml}",
    )
    return Table(("", s["z"], *middle, s["dL_dz"], s["dz_dw"], product), tuple(rows))


def _compared(told: Explanation) -> Table:
    rows = tuple(
        (check.of, check.exact, check.difference, f"{check.error:.1e}" if check.status == "checked" else check.status)
        for check in told.checks[: told.chosen_checks]
    )
    return Table(("derivative", "chain rule", "central difference", "relative error"), rows)


def _update(told: Explanation) -> list[Block]:
    update = told.chosen.update
    blocks: list[Block] = [
        Heading("The update, and the new weight"),
        Text(f"As if this example were the whole batch, by {update.source}."),
    ]
    if update.lines:
        blocks.append(Lines(update.lines))
    before, after = number(update.before).text, number(update.after).text
    return [*blocks, Text(f"The weight goes from {before} to {after}, by {number(update.after - update.before).text}.")]


def _checks(told: Explanation) -> list[Block]:
    parts: dict[str, list[Check]] = {}
    for check in told.checks:
        parts.setdefault(check.part, []).append(check)
    rows = []
    for part, checks in parts.items():
        compared = [check for check in checks if check.status == "checked"]
        worst = max(compared, key=lambda check: check.error, default=None)
        error = "–" if worst is None else f"{worst.error:.1e}"
        rows.append((part, len(compared), error, len(checks) - len(compared)))
    rows.append(("all", _count(told), f"{told.worst_error:.1e}", len(told.checks) - _count(told)))
    text = (
        "Of every array the largest two gradients and some drawn by chance. Central differences "
        f"(f(x + h) − f(x − h)) / 2h in float64 for {len(STEPS)} steps h from {STEPS[0]:.1g} to {STEPS[-1]:.1g} "
        "(times the size of the number where that is above 1), extrapolated to h → 0. The relative error is the "
        "distance over the larger of the two values, or, where both are smaller, over the least gradient that "
        "differences of such values can tell to six digits."
    )
    kinks, surrogates = told.left_out("kink"), told.left_out("surrogate")
    below_resolution = sum(
        check.status == "checked" and max(abs(check.exact), abs(check.difference)) < check.resolution
        for check in told.checks
    )
    if below_resolution:
        text += f" {below_resolution} gradients are smaller than that (0 among them)."
    if kinks:
        text += (
            f" {len(kinks)} lie at a kink, where the gradients on the two sides differ and there is no derivative (as "
            "of ReLU at 0, or where two numbers of a pooling window are equal); they are left out: "
            f"{', '.join(check.of for check in kinks[:4])}{' …' * (len(kinks) > 4)}."
        )
    if surrogates:
        text += (
            f" {len(surrogates)} go through spiking neurons, whose gradient is by design not the derivative but a "
            "surrogate; they are left out."
        )
    return [
        Heading("The check"),
        Text(text),
        Table(("derivatives for", "compared", "worst relative error", "left out"), tuple(rows)),
    ]
