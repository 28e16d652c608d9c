"""What there is to look at: the inputs that moved the answer, filters and feature maps, gates over time."""

import numpy as np

from pellucid.explanations.blocks import SHOWN, Block, Cell, Gallery, Heading, Picture, Table, Text
from pellucid.explanations.formula import number, place
from pellucid.explanations.numbers import Explanation


def inputs(told: Explanation) -> list[Block]:
    """Gradient × input and integrated gradients."""
    found = told.attribution
    if found is None:
        return []
    order = np.argsort(-abs(found.integrated).reshape(-1), kind="stable")[:SHOWN]
    rows: list[tuple[Cell, ...]] = []
    for at in order:
        index = np.unravel_index(at, found.integrated.shape)
        name = told.facts.features[at] if found.integrated.ndim == 1 and told.facts.features else place("x", index)
        rows.append((name, float(told.x[index]), float(found.gradient[index]), float(found.integrated[index])))
    total = float(found.integrated.sum())
    rows.append(("all, summed", "", float(found.gradient.sum()), total))
    blocks: list[Block] = [
        Heading("Which inputs moved the answer"),
        Text(
            f"The answer f is {found.output}: f(x) = {number(found.value).text}; for an input of 0 (as the network "
            f"sees it) f(x₀) = {number(found.baseline).text}. Integrated gradients share the difference "
            f"{number(found.value - found.baseline).text} out among the inputs: they sum to {number(total).text}, "
            f"a relative error of {found.completeness_error:.1e} with {found.points} points. "
            "Gradient × input is the first-order share; its sum need not fit."
        ),
        Table(("input", "x", "gradient × input", "integrated gradient"), tuple(rows)),
    ]
    if _image(told.x) is not None:
        pictures = (
            Picture("the input", _image(told.x), False),  # pyright: ignore[reportArgumentType]
            Picture("gradient × input", _image(found.gradient), True),  # pyright: ignore[reportArgumentType]
            Picture("integrated gradients", _image(found.integrated), True),  # pyright: ignore[reportArgumentType]
        )
        blocks.append(
            Gallery(
                "Of the second and third: dark moved the answer up, light moved it down, the grey between them is 0.",
                pictures,
                wide=True,
            )
        )
    return blocks


def images(told: Explanation) -> list[Block]:
    """Filters and feature maps of convolutions."""
    blocks: list[Block] = []
    for layer in told.layers:
        if layer.kind != "conv2d":
            continue
        if not blocks:
            blocks.append(Heading("Filters and feature maps"))
        weights = layer.params["weights"]
        count = min(weights.shape[-1], 2 * SHOWN)
        filters = tuple(Picture(f"filter {f}", weights[..., f].mean(axis=2), True) for f in range(count))
        channels = weights.shape[2]
        averaged = f", the mean over its {channels} channels" if channels > 1 else ""
        blocks.append(Gallery(f"{layer.name}: filters{averaged}. Dark: above 0; light: below.", filters))
        after = next((one for one in told.layers if one.reads == (layer.name,) and one.activation), layer)
        maps = tuple(Picture(f"map {f}", after.output[..., f], bool(after.output.min() < 0)) for f in range(count))
        blocks.append(Gallery(f"{after.name}: feature maps, dark for large, each on a scale of its own.", maps))
    return blocks


def over_time(told: Explanation) -> list[Block]:
    """Gates and state of every recurrent layer, time by time."""
    blocks: list[Block] = []
    for through in told.recurrent:
        unit = (
            told.chosen.index[-1] % through.state.shape[1]
            if through.layer == told.chosen.layer
            else int(abs(through.state[-1]).argmax())
        )
        times = np.unique(np.linspace(0, len(through.x) - 1, min(len(through.x), 2 * SHOWN)).astype(int))
        gates = [*through.gates]
        columns = [(gate.name, gate.a) for gate in gates]
        if through.cell is not None:
            columns.append(("cell c", through.cell))
        columns.append(("state h", through.state))
        rows = tuple(
            (
                str(t),
                *(float(array[t, unit]) for _, array in columns),
                float(np.linalg.norm(np.stack([gate.gradient[t] for gate in gates]))),
            )
            for t in times
        )
        sizes = np.linalg.norm(np.stack([gate.gradient for gate in gates]), axis=0)
        gradients = Picture("‖∂L/∂z‖ over the gates", sizes.T, False)
        blocks += [
            Heading(f"Through time: {through.layer}"),
            Text(
                f"Gates and state of unit {unit}, and the size of ∂L/∂z over all gates and units: how much each time "
                "still matters."
            ),
            Table(("time", *(name for name, _ in columns), "‖∂L/∂z‖"), rows),
            Gallery(
                f"{through.layer}: units from top to bottom, time from left to right, dark for large.",
                (*(Picture(name, array.T, bool(array.min() < 0)) for name, array in columns), gradients),
                wide=True,
            ),
        ]
    return blocks


def _image(array: np.ndarray) -> np.ndarray | None:
    """A picture of an example that is one; None for vectors, and for sequences too short to see."""
    if array.ndim == 3:
        array = array.mean(axis=2)
    return array if array.ndim == 2 and min(array.shape) > 1 else None
