"""Pictures of predictions, of descriptors, and of the atoms that moved an answer."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from examples.drug_discovery.molecules import ATOM, TOKEN

BLUE, ORANGE, GREY = "#1f5fa8", "#d9730d", "#8a8a8a"
plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"})

DESCRIPTORS = "network, descriptors"
Answers = Mapping[str, np.ndarray]


def predictions(
    answers: Mapping[str, Answers],
    splits: Sequence[str],
    tasks: Mapping[str, Sequence[str]],
    area: Callable[[np.ndarray, np.ndarray], float],
) -> Figure:
    """Draw solubilities against the measured ones, and the ROC areas of passage and toxicity, for each split."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    solubility = answers["ESOL, random"]
    left.plot([-12, 2], [-12, 2], color=GREY, lw=0.8)
    left.plot(solubility["y"], solubility[DESCRIPTORS], "o", color=BLUE, ms=3.5, alpha=0.6, mew=0)
    left.set(title="Solubility of unseen molecules", xlabel="measured, log mol/L", ylabel="predicted, log mol/L")
    left.set_aspect("equal")
    names = [name for targets in tasks.values() for name in targets]
    for split, colour in zip(splits, (BLUE, ORANGE), strict=False):
        each = [answers[f"{data}, {split}"] for data in tasks]
        areas = [area(y, p) for one in each for y, p in zip(one["y"].T, one[DESCRIPTORS].T, strict=True)]
        right.plot(areas, range(len(areas)), "o", color=colour, label=f"{split} split")
    right.set_yticks(range(len(names)), names)
    right.invert_yaxis()
    right.axvline(0.5, color=GREY, lw=0.8)
    right.grid(axis="y", lw=0.4)
    right.set(title="Passage and toxicity", xlabel="area below the ROC curve; 0.5 is chance", xlim=(0.45, 1))
    right.legend(frameon=False, loc="lower left")
    return figure


def importance(worth: Any, columns: int = 12) -> Figure:
    """Draw the descriptors whose loss costs most."""
    figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
    table = {name: values[:columns][::-1] for name, values in worth.table.items()}
    axes.barh(table["column"], table["importance"], xerr=table["std"], color=BLUE, height=0.6, error_kw={"lw": 0.8})
    axes.set(title="Descriptors that solubility depends on", xlabel="mean absolute error gained where it is shuffled")
    return figure


def atoms(smiles: str) -> list[int]:
    """The places of the atoms among the tokens of a SMILES."""
    return [i for i, token in enumerate(re.findall(TOKEN, smiles)) if re.fullmatch(ATOM, token)]


def occlude(smiles: str, answer: Callable[[list[str]], np.ndarray]) -> np.ndarray:
    """What each atom adds to an answer: the answer less that for the SMILES with an unknown token in its place."""
    tokens = re.findall(TOKEN, smiles)
    answers = answer([smiles, *("".join([*tokens[:i], "?", *tokens[i + 1 :]]) for i in atoms(smiles))])
    return answers[0] - answers[1:]


def molecules(rows: Sequence[tuple[str, str, np.ndarray]]) -> Figure:
    """Draw molecules with their atoms coloured by what they add: blue raises the answer, orange lowers it."""
    figure, places = plt.subplots(2, len(rows) // 2, figsize=(11, 6.4), layout="constrained")
    for axes, (smiles, title, added) in zip(places.flat, rows, strict=True):
        axes.imshow(plt.imread(io.BytesIO(molecule(smiles, added))))
        axes.set_title(title, fontsize=10)
        axes.axis("off")
    return figure


def molecule(smiles: str, added: np.ndarray) -> bytes:
    """A molecule as a PNG, its atoms coloured by numbers."""
    drawn = Chem.MolFromSmiles(smiles)
    rdDepictor.Compute2DCoords(drawn)
    strength = added / max(abs(added).max(), 1e-9)
    colours = {i: shade(value) for i, value in enumerate(strength.tolist()) if abs(value) > 0.08}
    canvas = rdMolDraw2D.MolDraw2DCairo(560, 420)
    canvas.drawOptions().useBWAtomPalette()
    canvas.drawOptions().highlightRadius = 0.45
    canvas.DrawMolecule(drawn, highlightAtoms=list(colours), highlightAtomColors=colours, highlightBonds=[])
    canvas.FinishDrawing()
    return canvas.GetDrawingText()


def shade(value: float) -> tuple[float, ...]:
    """Blue above 0 and orange below, paler towards 0."""
    full = np.array([0.35, 0.6, 0.95] if value > 0 else [0.98, 0.6, 0.2])
    return tuple(1 - (1 - full) * abs(value))
