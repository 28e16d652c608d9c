"""An explanation as a document: example and answer, network, then every number."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.core.formula import Formula, Line, element
from pellucid.core.formula import number as typeset
from pellucid.explanations.checks import STEPS
from pellucid.explanations.drawing import Panel, TimeChart, network_charts
from pellucid.explanations.explanation import Check, Explanation, InputNumbers, RecurrentNumbers
from pellucid.explanations.update import numbers_of
from pellucid.report.chart import BarChart
from pellucid.report.document import (
    Block,
    Columns,
    Details,
    Document,
    Figure,
    Formulas,
    Inline,
    Meter,
    Numbers,
    Paragraph,
    Picture,
    Section,
    Table,
    number,
)
from pellucid.report.picture import is_picture, pixels

SHOWN = 8
"""Numbers shown of a longer list."""
MAX_ROWS = 16
"""Rows of a table of features or classes; the rest is folded."""
MAX_NUMBERS = 4096
"""Numbers of an array that the page holds; larger ones are in the JSON."""
MAX_PICTURES = 16
"""Filters and feature maps of a layer."""
MAX_PARAMETERS = 40
"""Most parameters of a network whose update is shown whole, as exercises on paper have them."""
MAX_LINES = 4
"""Most features of a sequence plotted as lines; more are plotted as shades."""


def document(explanation: Explanation) -> Document:
    """The whole explanation in order.

    Args:
        explanation: the explanation.
    """
    return Document(
        explanation.facts.title,
        Section("The example and the answer", *_head(explanation)),
        _network(explanation),
        *(_over_time(explanation, layer) for layer in explanation.recurrent),
        Section("Filters and feature maps", *_images(explanation)),
        _attribution(explanation),
        _chain_rule(explanation),
        _update(explanation),
        Section(
            "Every number",
            Paragraph(" ".join(explanation.facts.remarks), kind="quiet"),
            _forward(explanation),
            _sum(explanation),
            _backward(explanation),
            _checks(explanation),
        ),
    )


# ------------------------------------------------------------------------------- example and answer


def _head(explanation: Explanation) -> list[Block]:
    """The example, with the answer beside it where it is narrow."""
    example, (bars, facts) = _example(explanation), _answer(explanation)
    pictures = [block for block in example if isinstance(block, Figure) and isinstance(block.block, Picture)]
    if pictures:
        others = [block for block in example if block not in pictures]
        shown = Columns(*pictures, width="third")
        return [shown if bars is None else Columns(shown, bars), *others, facts]
    if bars is not None and isinstance(example[0], Table):
        return [Columns(example[0], bars), *example[1:], facts]
    return [*example, bars, facts]


def _example(explanation: Explanation) -> list[Block]:
    blocks: list[Block] = []
    words = explanation.facts.words or ("",) * len(explanation.inputs)
    for entry, known in zip(explanation.inputs, words, strict=True):
        if entry.tokens:
            label = f"Tokens of {entry.name}: " if len(explanation.inputs) > 1 else "Tokens: "
            blocks.append(Paragraph(label, known or _tokens(entry.raw)))
        else:
            blocks += _input(explanation, entry)
    return blocks


def _input(explanation: Explanation, entry: InputNumbers) -> list[Block]:
    raw, facts = entry.raw, explanation.facts
    if facts.features and set(np.unique(raw)) <= {0, 1} and raw.ndim == 1 and len(raw) > MAX_ROWS:
        held = [facts.features[i] for i in np.flatnonzero(raw)]
        return [
            Paragraph(f"It holds {len(held)} of {len(raw)} words: {', '.join(held[:40])}{' …' * (len(held) > 40)}.")
        ]
    scaled = not np.array_equal(raw, entry.x)
    if is_picture(raw.shape) and entry.mask is None:
        # One factor for all pixels changes no shade.
        alike = not scaled or abs(np.corrcoef(raw.reshape(-1), entry.x.reshape(-1))[0, 1]) > 1 - 1e-9
        read = f"; the network reads it as {_range(entry.x)}" if scaled and alike else ""
        pictures: list[Block] = [Figure(Picture(_pixels(raw), "the example"), f"The example, {_range(raw)}{read}.")]
        if not alike:
            caption = f"As the network reads it, {_range(entry.x)}."
            pictures.append(Figure(Picture(_pixels(entry.x), "the example, scaled"), caption))
        if facts.task == "reconstruction":
            pictures.append(_reconstruction(explanation, raw))
        return pictures
    if raw.ndim == 2:
        return [_sequence(entry)]
    return _table_of(explanation, entry, scaled)


def _reconstruction(explanation: Explanation, raw: np.ndarray) -> Block:
    values = explanation.facts.output.reshape(raw.shape)
    return Figure(Picture(_pixels(values), "the reconstruction"), f"The reconstruction, {_range(values)}.")


def _pixels(array: np.ndarray) -> np.ndarray:
    """Convert to pixels: colours as they are, numbers as shades of grey, uint8."""
    if array.ndim == 3 and array.shape[-1] in (3, 4):
        return pixels(array[None])[0]
    return np.asarray(array[..., 0] if array.ndim == 3 else array, float)


def _range(array: np.ndarray) -> str:
    low, high = float(array.min()), float(array.max())
    return f"{number(0.0 if abs(low) < 1e-4 * abs(high) else low)} to {number(high)}"


def _tokens(raw: np.ndarray) -> str:
    tokens = [str(int(token)) for token in raw.reshape(-1)]
    return " ".join(tokens[:60]) + " …" * (len(tokens) > 60)


def _sequence(entry: InputNumbers) -> Block:
    """A sequence over time, in the units of the data and as the network reads it."""
    panels = [_values_over_time("the example", entry.raw)]
    if not np.array_equal(entry.raw, entry.x):
        panels.append(_values_over_time("as the network reads it", entry.x))
    steps = len(entry.raw)
    padded = "" if entry.mask is None else f", {steps - int(entry.mask.sum())} of them padding (struck out)"
    features = entry.raw.shape[1]
    caption = f"{steps} steps{padded} of {features} feature{'s' * (features != 1)}."
    return Figure(TimeChart("The example over time", tuple(panels), entry.mask), caption)


def _values_over_time(name: str, values: np.ndarray) -> Panel:
    features = values.shape[1]
    if features <= MAX_LINES:
        return Panel(name, values, tuple(f"x{k}" for k in range(features)) if features > 1 else ())
    return Panel(name, values, heat=True, signed=bool(values.min() < 0))


def _table_of(explanation: Explanation, entry: InputNumbers, scaled: bool) -> list[Block]:
    raw, x, facts = entry.raw.reshape(-1), entry.x.reshape(-1), explanation.facts
    names = facts.features if len(facts.features) == len(raw) else [element("x", (i,)) for i in range(len(raw))]
    head: tuple[Inline, ...] = ("input", "value")
    columns: list[Any] = [names, map(number, raw.tolist())]
    if scaled:
        head, columns = (*head, "as the network reads it"), [*columns, map(number, x.tolist())]
    if facts.task == "reconstruction":
        head, columns = (*head, "reconstruction"), [*columns, map(number, facts.output.reshape(-1).tolist())]
    rows = list(zip(*columns, strict=True))
    folded = Details(f"All {len(rows)} inputs", Table(head, rows)) if len(rows) > MAX_ROWS else None
    return [Table(head, rows[:MAX_ROWS]), *([folded] if folded else [])]


def _answer(explanation: Explanation) -> list[Block]:
    facts = explanation.facts
    answer = () if facts.task == "reconstruction" else (("target", facts.target), ("prediction", facts.prediction))
    rows: tuple[tuple[str, Inline], ...] = (
        *answer,
        ("loss", f"{typeset(explanation.loss.value).text}, {_words(explanation.loss.name)}"),
        (
            "worst relative error of a derivative",
            f"{explanation.worst_error:.1e}, of {explanation.compared} checked by central differences",
        ),
    )
    return [_bars(explanation), Table((), rows)]


def _bars(explanation: Explanation) -> Block:
    """The outputs by name: bars for probabilities, numbers with their unit for a regression."""
    facts = explanation.facts
    if not facts.answer:
        return None
    order = sorted(facts.answer, key=lambda pair: -pair[1]) if len(facts.answer) > MAX_ROWS else list(facts.answer)
    kept = order[:MAX_ROWS]
    true = facts.target.split(", ")
    values = [value for _, value in facts.answer]
    rows: list[tuple[Inline, ...]]
    if facts.task in ("multiclass", "binary", "multilabel"):
        probabilities = min(values) >= 0 and max(values) <= 1
        head = ("class", "probability", "") if probabilities else ("class", explanation.loss.function.reads)
        rows = [
            (
                name + " ← target" * (name in true),
                *([_probability(value), Meter(value)] if probabilities else [float(value)]),
            )
            for name, value in kept
        ]
    else:
        head = ("", "prediction", "target")
        targets = np.ravel(facts.target_values)
        rows = [(name, float(value), float(target)) for (name, value), target in zip(kept, targets, strict=False)]
    more = len(facts.answer) - len(kept)
    return Table(head, rows, f"The {len(kept)} largest of {len(facts.answer)} outputs." if more else "")


def _probability(value: float) -> str:
    if 0 < value < 5e-5:
        return "< 0.0001"
    return "> 0.9999" if 1 - 5e-5 < value < 1 else f"{value:.4f}"


# ------------------------------------------------------------------------------------------ network


def _network(explanation: Explanation) -> Block:
    charts = network_charts(explanation)
    if charts is None:
        return None
    forward, backward = charts
    return Section(
        "The network with its numbers",
        Figure(forward),
        Figure(
            backward,
            "Blue is above 0, orange below; each column of neurons has a separate scale, as have the weights between "
            "two columns. Negative weights are dashed. The weight followed below is outlined in grey.",
        ),
    )


def _over_time(explanation: Explanation, layer: RecurrentNumbers) -> Block:
    """Gates and state of a recurrent layer, beside its input."""
    chosen, units = explanation.chosen, layer.state.shape[1]
    followed = layer.layer == chosen.layer
    unit = chosen.index[-1] % units if followed else int(abs(layer.state[-1]).argmax())
    named = [(gate.name, gate.a) for gate in layer.gates if layer.kind != "rnn"]
    squashed = [(name, a) for name, a in named if name != "candidate"]
    others = [(name, a) for name, a in named if name == "candidate"]
    others += [("cell c", layer.cell)] if layer.cell is not None else []
    others.append(("state h", layer.state))
    size = layer.gradient_norms
    read = _values_over_time("reads", layer.x)
    lines = [read]
    if squashed:
        lines.append(
            Panel("gates", np.stack([a[:, unit] for _, a in squashed], 1), tuple(name for name, _ in squashed))
        )
    lines.append(Panel("values", np.stack([a[:, unit] for _, a in others], 1), tuple(name for name, _ in others)))
    lines.append(Panel("‖∂L/∂z‖ over the gates", size[:, unit]))
    arrays = [*squashed, *others]
    names = [f"{name} gate" for name, _ in squashed] + [name for name, _ in others]
    heats = [read, *(Panel(n, a, heat=True, signed=bool(a.min() < 0)) for n, (_, a) in zip(names, arrays, strict=True))]
    heats.append(Panel("‖∂L/∂z‖ over the gates", size, heat=True))
    times = np.unique(np.linspace(0, len(layer.x) - 1, min(len(layer.x), 2 * SHOWN)).astype(int))
    rows = [
        (str(t), *(typeset(float(a[t, unit])).text for _, a in arrays), typeset(float(np.linalg.norm(size[t]))).text)
        for t in times
    ]
    head = ("time", *(name for name, _ in arrays), "‖∂L/∂z‖")
    return Section(
        f"Over time: {layer.layer}",
        Columns(
            Figure(TimeChart(f"Unit {unit} over time", tuple(lines), layer.mask)),
            Figure(TimeChart(f"All {units} units, from top to bottom", tuple(heats), layer.mask)),
        ),
        Details(
            f"Unit {unit} in numbers",
            "‖∂L/∂z‖ is over all gates and units: the influence that each time still has on the loss.",
            Table(head, rows),
        ),
    )


def _images(explanation: Explanation) -> list[Block]:
    """Filters and feature maps of convolutions."""
    blocks: list[Block] = []
    for layer in explanation.layers:
        weights = layer.params.get("weights")
        if weights is None or weights.ndim != 4 or layer.output.ndim != 3:
            continue
        after = next(
            (other for other in explanation.layers if other.reads == (layer.name,) and other.activation), layer
        )
        count, channels = min(after.output.shape[-1], MAX_PICTURES), weights.shape[2]
        averaged = f", the mean over its {channels} channels" if channels > 1 else ""
        filters = [weights[..., k].mean(axis=2) for k in range(min(count, weights.shape[-1]))]
        maps = [after.output[..., k] for k in range(count)]
        signed = bool(after.output.min() < 0)
        blocks += [
            Paragraph(f"{layer.name}: filters{averaged}. Blue: above 0; orange: below."),
            Columns(*(_tile(f"filter {k}", array, True) for k, array in enumerate(filters)), width="small"),
            Paragraph(f"{after.name}: feature maps, dark for large, each on a separate scale."),
            Columns(*(_tile(f"map {k}", array, signed) for k, array in enumerate(maps)), width="small"),
        ]
    return blocks


def _tile(label: str, array: np.ndarray, signed: bool) -> Figure:
    return Figure(Picture(array, label, signed), f"{label}, {_range(array)}")


def _attribution(explanation: Explanation) -> Block:
    """Gradient × input and integrated gradients."""
    attribution = explanation.attribution
    if attribution is None:
        return None
    integrated, facts = attribution.integrated, explanation.facts
    order = np.argsort(-abs(integrated).reshape(-1), kind="stable")[:SHOWN]
    indices = [np.unravel_index(at, integrated.shape) for at in order]
    named = integrated.ndim == 1 and len(facts.features) == len(integrated)
    names = [facts.features[int(index[0])] if named else element("x", index) for index in indices]
    rows = [
        (name, *(typeset(float(a[index])).text for a in (explanation.x, attribution.gradient, integrated)))
        for name, index in zip(names, indices, strict=True)
    ]
    total = float(integrated.sum())
    rows.append(("all, summed", "", typeset(float(attribution.gradient.sum())).text, typeset(total).text))
    return Section(
        "Inputs that moved the answer",
        _attribution_drawn(explanation, names, [float(integrated[index]) for index in indices]),
        Paragraph(
            f"The answer f is {attribution.output}: f(x) = {typeset(attribution.value).text}; for an input of 0 (as "
            f"the network reads it) f(x₀) = {typeset(attribution.baseline).text}. Integrated gradients divide the "
            f"difference {typeset(attribution.value - attribution.baseline).text} among the inputs: they sum to "
            f"{typeset(total).text}, a relative error of {attribution.completeness_error:.1e} with "
            f"{attribution.points} points. Gradient × input is the first-order estimate; its sum need not fit."
        ),
        Details(
            f"The {len(rows) - 1} largest in numbers",
            Table(("input", "x", "gradient × input", "integrated gradient"), rows),
        ),
    )


def _attribution_drawn(explanation: Explanation, names: list[str], values: list[float]) -> Block:
    attribution, (entry, *_) = explanation.attribution, explanation.inputs
    assert attribution is not None
    methods = (("gradient × input", attribution.gradient), ("integrated gradients", attribution.integrated))
    if is_picture(entry.x.shape) and entry.mask is None:
        pictures = [Figure(Picture(_pixels(entry.x), "the input"), "the input")]
        for label, array in methods:
            summed = array.sum(axis=2) if array.ndim == 3 else array
            pictures.append(Figure(Picture(summed, label, True), f"{label}: blue moved the answer up, orange down"))
        return Columns(*pictures, width="third")
    if entry.x.ndim == 2:
        panels = tuple(Panel(label, array, heat=True, signed=True) for label, array in methods)
        return Figure(
            TimeChart("Attribution of the answer to each input", panels, entry.mask), "Blue moved it up, orange down."
        )
    title = "Integrated gradients: what each input added to the answer"
    return Figure(BarChart(title, names, values, "part of f(x) − f(x₀)"))


# --------------------------------------------------------------------------------------- chain rule


def _chain_rule(explanation: Explanation) -> Block:
    chosen = explanation.chosen
    weight = element(f"{chosen.layer}.{chosen.parameter}", chosen.index)
    blocks: list[Block] = [
        f"The weight is {typeset(chosen.weight).text}. ∂L/∂w = ∂L/∂a · ∂a/∂z · ∂z/∂w, factor by factor."
    ]
    term = chosen.terms[0] if chosen.terms else None
    coupled = explanation.coupled
    if term is None:
        blocks.append("The loss does not depend on it here: no output of the layer moves with it.")
    elif len(chosen.terms) > 1:
        where = "times" if chosen.layer in [layer.layer for layer in explanation.recurrent] else "positions"
        blocks += [
            f"It acts at {len(chosen.terms)} {where}; the gradient is the sum over them.",
            Details(f"The largest of the {len(chosen.terms)} {where}", _terms(explanation)),
        ]
    if coupled is not None and chosen.activation == coupled.layer and len(chosen.output_index) == 1:
        blocks += _softmax(explanation)
    elif (term is not None and coupled is None) or (coupled and chosen.activation != coupled.layer):
        blocks.append(_arriving(explanation))
    if term is not None and len(chosen.terms) == 1:
        blocks.append(Formulas(*_factors(explanation)))
    checks = explanation.checks[: explanation.chosen_checks]
    rows = [
        (
            check.of,
            typeset(check.exact).text,
            typeset(check.difference).text,
            f"{check.error:.1e}" if check.status == "checked" else check.status,
        )
        for check in checks
    ]
    head = ("derivative", "chain rule", "central difference", "relative error")
    worst = max((check.error for check in checks if check.status == "checked"), default=0.0)
    summary = f"The same derivatives by central differences: relative error at most {worst:.1e}"
    return Section(f"The chain rule for {weight}", *blocks, Details(summary, Table(head, rows)))


def _factors(explanation: Explanation) -> list[Line]:
    chosen, term = explanation.chosen, explanation.chosen.terms[0]
    lines = []
    numbers = {"dL_dz": term.dL_dz, "dz_dw": term.dz_dw}
    if term.a is not None and term.dL_da is not None and term.da_dz is not None:
        lines += [
            _loss_line(explanation, "dL_da", term.dL_da),
            _function_line("da_dz", chosen.function, "derivative_formula", {"z": term.z, "a": term.a}, term.da_dz),
            Line("dL_dz", "dL_da * da_dz", {"dL_da": term.dL_da, "da_dz": term.da_dz}),
        ]
    else:
        lines.append(_loss_line(explanation, "dL_dz", term.dL_dz))
    return [*lines, Line("dz_dw", repr(term.dz_dw), {}), Line("dL_dw", "dL_dz * dz_dw", numbers)]


def _loss_line(explanation: Explanation, name: str, value: float) -> Line:
    """∂L/∂ a single output by the formula of the loss; only the number for another layer."""
    loss, last = explanation.loss, explanation.layers[-1].name
    if loss.prediction.size == 1 and last in (explanation.chosen.layer, explanation.chosen.activation):
        numbers = {"yhat": loss.prediction.item(), "z": loss.prediction.item(), "y": float(loss.target.item())}
        return _function_line(name, loss.function, "gradient_formula", numbers, value)
    return Line(name, repr(value), {})


def _function_line(name: str, function: Any, formula: str, numbers: dict[str, float], value: float) -> Line:
    """A value by the formula of a function, with its numbers; only the value where it does not fit."""
    stated = getattr(function, formula, None)
    if isinstance(stated, Formula):
        line = Line(name, stated, numbers_of(function) | numbers)
        try:
            if np.isclose(line.value, value, rtol=1e-9):
                return line
        except (KeyError, TypeError, ValueError):  # a formula over other names than those known here
            pass
    return Line(name, repr(float(value)), {})


def _softmax(explanation: Explanation) -> list[Block]:
    coupled, j = explanation.coupled, explanation.chosen.output_index[-1]
    assert coupled is not None
    products = coupled.dL_da * coupled.jacobian[:, j]
    order = sorted(np.argsort(-abs(products), kind="stable")[: 2 * SHOWN])
    right = f"da_k_dz_{j}" if j < 10 else "da_k_dz_j"
    head = ("k", *map(Formula, ("a_k", "dL_da_k", right, f"dL_da_k * {right}")))
    arrays = (coupled.a, coupled.dL_da, coupled.jacobian[:, j], products)
    rows = [(str(k), *(typeset(float(array[k])).text for array in arrays)) for k in order]
    rows.append(("sum", "", "", "", typeset(float(coupled.product[j])).text))
    delta = typeset(float(coupled.fused[j])).text
    fused = (
        f"Backpropagation takes softmax and loss in one step, ∂L/∂z = a − y: {delta} here. "
        if coupled.paired
        else f"Backpropagation gives {delta}. "
    )
    agree = coupled.difference == 0
    difference = "The two agree exactly" if agree else f"The two differ by at most {coupled.difference:.1e}"
    return [
        "Every output of the softmax depends on every z: ∂L/∂z is a sum over them, and ∂a_k/∂z_j = a_k (δ_kj − a_j).",
        f"{fused}{difference} over all {len(coupled.a)} z.",
        Details("The sum over the outputs", Table(head, rows)),
    ]


def _arriving(explanation: Explanation) -> Block:
    """∂L/∂a of a hidden neuron, from the dense layer that reads it."""
    chosen = explanation.chosen
    reader = next((layer for layer in explanation.layers if layer.reads == (chosen.activation or chosen.layer,)), None)
    if reader is None or reader.kind != "dense" or reader.gradient is None or reader.gradient.ndim != 1:
        return None
    if len(chosen.output_index) != 1:
        return None
    weights = reader.params["weights"][chosen.output_index[0]]
    products = weights * reader.gradient
    order = np.argsort(-abs(products), kind="stable")[:SHOWN]
    rows = [
        (element(reader.name, (k,)), *(typeset(float(a[k])).text for a in (weights, reader.gradient, products)))
        for k in order
    ]
    if len(products) > SHOWN:
        rest = float(products.sum() - products[order].sum())
        rows.append((f"{len(products) - SHOWN} more", "", "", typeset(rest).text))
    rows.append(("sum", "", "", typeset(float(products.sum())).text))
    head = ("neuron", *map(Formula, ("w_k", "dL_dz_k", "w_k * dL_dz_k")))
    return Details(
        f"∂L/∂a is the sum over the neurons of {reader.name} that read it: {typeset(float(products.sum())).text}",
        Table(head, rows),
    )


def _terms(explanation: Explanation) -> Table:
    chosen = explanation.chosen
    count = max(1, sum(term.product != 0 for term in chosen.terms[:SHOWN]))
    shown, rest = chosen.terms[:count], chosen.terms[count:]
    in_time = any(layer.layer == chosen.layer for layer in explanation.recurrent)
    rows: list[tuple[Inline, ...]] = []
    for term in shown:
        where = f"time {term.index[0]}" if in_time else element("", term.index)
        middle = () if term.a is None or term.da_dz is None else (term.a, term.da_dz)
        factors = (term.z, *middle, term.dL_dz, term.dz_dw, term.product)
        rows.append((where, *(typeset(factor).text for factor in factors)))
    gated = shown[0].a is not None
    blank = ("",) * (3 + 2 * gated)
    if rest:
        rows.append((f"{len(rest)} more", *blank, typeset(sum(term.product for term in rest)).text))
    rows.append(("sum, ∂L/∂w", *blank, typeset(sum(term.product for term in chosen.terms)).text))
    middle = ("a", "da_dz") if gated else ()
    return Table(("", *map(Formula, ("z", *middle, "dL_dz", "dz_dw", "dL_dz * dz_dw"))), rows)


def _update(explanation: Explanation) -> Block:
    update = explanation.chosen.update
    before, after = typeset(update.before).text, typeset(update.after).text
    return Section(
        "The update, and the new weight",
        f"As if this example were the whole batch, by {update.source}.",
        Formulas(*update.lines) if update.lines else None,
        f"The weight goes from {before} to {after}, by {typeset(update.after - update.before).text}.",
        _all_updated(explanation),
    )


def _all_updated(explanation: Explanation) -> Block:
    """Every parameter before and after the update, of a network that has few."""
    updated = explanation.chosen.update.params
    if sum(array.size for arrays in updated.values() for array in arrays.values()) > MAX_PARAMETERS:
        return None
    rows = []
    for layer in explanation.layers:
        for name, array in layer.params.items():
            after, grads = updated[layer.name][name], layer.grads[name]
            rows += [
                (
                    element(f"{layer.name}.{name}", at),
                    *(typeset(float(each[at])).text for each in (array, grads, after)),
                )
                for at in np.ndindex(array.shape)
            ]
    return Details("Every weight after the same step", Table(("", "before", Formula("dL_dw"), "after"), rows))


# -------------------------------------------------------------------------------------- every number


def _forward(explanation: Explanation) -> Block:
    rows: list[tuple[Inline, ...]] = [
        (entry.name, "the input", _shape(entry.x), _some(entry.x)) for entry in explanation.inputs
    ]
    rows += [(layer.name, layer.formula, _shape(layer.output), _some(layer.output)) for layer in explanation.layers]
    arrays = [(entry.name, entry.x) for entry in explanation.inputs]
    arrays += [(layer.name, layer.output) for layer in explanation.layers]
    head = ("layer", "computes", "shape", "numbers")
    return Details("Forward: every z and a", Table(head, rows), *_whole(arrays))


def _whole(arrays: Sequence[tuple[str, np.ndarray]]) -> list[Block]:
    """Arrays not yet in the table above, and not too long to read."""
    return [
        Numbers(f"{name}, {_shape(array)}", array) for name, array in arrays if 2 * SHOWN < array.size <= MAX_NUMBERS
    ]


def _sum(explanation: Explanation) -> Block:
    """The sum of the chosen neuron."""
    chosen = explanation.chosen
    if not chosen.summands:
        return None
    in_time = any(layer.layer == chosen.layer for layer in explanation.recurrent)
    when = "At the time at which the weight matters most, the" if in_time else "The"
    shown, rest = chosen.summands[:SHOWN], chosen.summands[SHOWN:]
    rows: list[tuple[Inline, ...]] = [
        (element(part.name, part.index), *(typeset(value).text for value in (part.weight, part.value, part.product)))
        for part in shown
    ]
    if rest:
        rows.append((f"{len(rest)} more", "", "", typeset(sum(part.product for part in rest)).text))
    rows += [("bias", "", "", typeset(chosen.bias).text), ("z", "", "", typeset(chosen.z).text)]
    term = next((term for term in chosen.terms if term.index == chosen.output_index), None)
    line = None
    if term is not None and term.a is not None:
        line = Formulas(_function_line("a", chosen.function, "formula", {"z": term.z}, term.a))
    return Details(
        f"The neuron {element(chosen.layer, chosen.output_index)}: its sum",
        f"{when} neuron adds up what it reads, each number times its weight, and the bias.",
        Table(("", *map(Formula, ("w", "x", "w * x"))), rows),
        line,
    )


def _loss_value(explanation: Explanation) -> Line:
    loss = explanation.loss
    if loss.function.target_kind != "numbers" and loss.prediction.ndim == 1 and loss.prediction.size > 1:
        label = int(loss.target.argmax()) if loss.target.ndim else int(loss.target)
        if 0 < loss.prediction[label] <= 1:
            return _stated("L", "-log(yhat_y)", {"yhat_y": float(loss.prediction[label])}, loss.value)
    if loss.prediction.size == 1:
        numbers = {"yhat": loss.prediction.item(), "z": loss.prediction.item(), "y": float(loss.target.item())}
        return _function_line("L", loss.function, "formula", numbers, loss.value)
    return Line("L", repr(loss.value), {})


def _stated_loss(explanation: Explanation) -> Block:
    loss = explanation.loss
    formula, gradient = (getattr(loss.function, name, None) for name in ("formula", "gradient_formula"))
    if not isinstance(formula, Formula):
        return f"{_words(loss.name).capitalize()}. {loss.formula}"
    return Paragraph(f"{_words(loss.name).capitalize()}: ", formula, "; its gradient: ", gradient, ".")


def _stated(name: str, source: str, numbers: dict[str, float], value: float) -> Line:
    line = Line(name, source, numbers)
    return line if np.isclose(line.value, value, rtol=1e-9) else Line(name, repr(value), {})


def _backward(explanation: Explanation) -> Block:
    rows: list[tuple[Inline, ...]] = []
    for layer in reversed(explanation.layers):
        norms = ", ".join(f"{name} {number(float(np.linalg.norm(grad)))}" for name, grad in layer.grads.items())
        gradient = "–" if layer.gradient is None else _some(layer.gradient)
        rows.append((layer.name, gradient, norms or "–"))
    rows += [(entry.name, _some(entry.gradient), "–") for entry in explanation.inputs]
    head = ("layer", "∂L/∂output", "size of the gradient, ‖∂L/∂W‖")
    arrays = [(f"∂L/∂{layer.name}", layer.gradient) for layer in explanation.layers if layer.gradient is not None]
    return Details(
        "Backward: every gradient of the loss",
        _stated_loss(explanation),
        Formulas(_loss_value(explanation)),
        "From the loss to the input; z of a map, a of an activation.",
        Table(head, rows),
        *_whole(arrays),
    )


def _checks(explanation: Explanation) -> Block:
    parts: dict[str, list[Check]] = {}
    for check in explanation.checks:
        parts.setdefault(check.part, []).append(check)
    rows: list[tuple[Inline, ...]] = []
    for part, checks in parts.items():
        errors = [check.error for check in checks if check.status == "checked"]
        rows.append((part, len(errors), f"{max(errors):.1e}" if errors else "–", len(checks) - len(errors)))
    total, compared = len(explanation.checks), explanation.compared
    rows.append(("all", compared, f"{explanation.worst_error:.1e}", total - compared))
    head = ("derivatives for", "compared", "worst relative error", "left out")
    return Details("The check", _how_checked(explanation), Table(head, rows))


def _how_checked(explanation: Explanation) -> str:
    text = (
        "Of every array the largest two gradients and some at random. Central differences "
        f"(f(x + h) − f(x − h)) / 2h in float64 for {len(STEPS)} steps h from {STEPS[0]:.1g} to {STEPS[-1]:.1g} "
        "(times the size of the number where that is above 1), extrapolated to h → 0. The relative error is the "
        "difference over the larger of the two values, or, where both are smaller, over the least gradient that "
        "differences of such values resolve to six digits."
    )
    below_resolution = sum(
        check.status == "checked" and max(abs(check.exact), abs(check.difference)) < check.resolution
        for check in explanation.checks
    )
    if below_resolution:
        text += f" {below_resolution} gradients are smaller than that (0 among them)."
    kinks, surrogates = explanation.left_out("kink"), explanation.left_out("surrogate")
    if kinks:
        text += (
            f" {len(kinks)} lie at a kink, where the gradients on the two sides differ and there is no derivative (as "
            "of ReLU at 0, or where two numbers of a pooling window are equal); they are left out: "
            f"{', '.join(check.of for check in kinks[:4])}{' …' * (len(kinks) > 4)}."
        )
    if surrogates:
        text += (
            f" {len(surrogates)} pass through spiking neurons, whose gradient is by design not the derivative but a "
            "surrogate; they are left out."
        )
    return text


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shape(array: np.ndarray) -> str:
    return "×".join(map(str, array.shape)) or "1"


def _some(array: np.ndarray) -> str:
    """All numbers of a small array, the largest of another."""
    flat = array.reshape(-1)
    if flat.size <= 2 * SHOWN:
        return "  ".join(number(float(value)) for value in flat)
    order = np.sort(np.argsort(-abs(flat), kind="stable")[: SHOWN // 2])
    shown = "  ".join(
        f"{element('', np.unravel_index(at, array.shape))}\N{NO-BREAK SPACE}{number(float(flat[at]))}" for at in order
    )
    return f"{shown}  … largest 4 of {flat.size:,}"
