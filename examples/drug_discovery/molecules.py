"""Molecules as the networks read them: SMILES, descriptors, scaffolds."""

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors, rdMolDescriptors
from rdkit.Chem.Scaffolds import MurckoScaffold
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from examples import harness

ORIGIN = "MoleculeNet, https://moleculenet.org/datasets-1"
FILES = {"ESOL": "delaney-processed.csv", "BBBP": "BBBP.csv", "Tox21": "tox21.csv"}
NOT_TARGETS = ("mol_id", "smiles", "spelled")
ATOM = r"\[[^\]]+\]|Br|Cl|[BCNOPSFIbcnops]"
TOKEN = rf"{ATOM}|%\d\d|."
"""A token of a SMILES: an atom, the number of a ring, a bond or a bracket."""
FRAGMENTS = [(name, count) for name, count in Descriptors.descList if name.startswith("fr_")]
PROPERTIES = rdMolDescriptors.Properties()
SURFACES = {
    "charge": rdMolDescriptors.PEOE_VSA_,
    "refractivity": rdMolDescriptors.SMR_VSA_,
    "fat solubility": rdMolDescriptors.SlogP_VSA_,
}
"""The surface of the atoms, divided by what each adds to a property."""


@dataclass(frozen=True)
class Molecules:
    """The molecules of a file.

    Attributes:
        table: the targets; ``smiles``, which RDKit writes in one way for a molecule, ``spelled``, as the file has it,
            and ``scaffold``.
        targets: names of the target columns; blanks are NaN.
        descriptors: a row of numbers for each.
        invalid: SMILES that RDKit refuses; they are left out.
    """

    table: pd.DataFrame
    targets: list[str]
    descriptors: pd.DataFrame
    invalid: list[str]


@cache
def read(data: str, rows: int | None = None) -> Molecules:
    """Read the molecules of a file.

    Args:
        data: ``"ESOL"``, ``"BBBP"`` or ``"Tox21"``.
        rows: that many, drawn at random; all if None.
    """
    table: pd.DataFrame = pd.read_csv(harness.find(f"molecules/{FILES[data]}", ORIGIN))
    table = table if rows is None else table.sample(rows, random_state=0)
    if data == "ESOL":  # the other columns are another model's prediction, and descriptors that RDKit computes anew
        table = table[["smiles", "measured log solubility in mols per litre"]]
    table["spelled"] = table["smiles"].str.strip()
    with rdBase.BlockLogs():
        molecules = [Chem.MolFromSmiles(text) for text in table["spelled"]]
        valid = np.array([molecule is not None and molecule.GetNumAtoms() > 0 for molecule in molecules])
        descriptors = pd.DataFrame(map(describe, itertools.compress(molecules, valid)), dtype="float32")
        smiles = [Chem.MolToSmiles(molecule) for molecule in itertools.compress(molecules, valid)]
        scaffolds = [scaffold(text) for text in smiles]
    targets = [name for name in table.columns if name not in NOT_TARGETS]
    invalid = table["spelled"][~valid].tolist()
    table = table[valid].reset_index(drop=True)
    return Molecules(table.assign(smiles=smiles, scaffold=scaffolds), targets, descriptors, invalid)


def describe(molecule: Any) -> dict[str, float]:
    """Compute properties of a molecule, the surface by kinds of atoms, and the numbers of known fragments.

    They spread over orders of magnitude: their logarithms are taken, with their signs.
    """
    numbers = dict(zip(PROPERTIES.GetPropertyNames(), PROPERTIES.ComputeProperties(molecule), strict=True))
    for name, surface in SURFACES.items():
        numbers |= {f"surface by {name}, {i}": area for i, area in enumerate(surface(molecule), start=1)}
    numbers |= {name.removeprefix("fr_"): count(molecule) for name, count in FRAGMENTS}
    return {name: math.copysign(math.log1p(abs(number)), number) for name, number in numbers.items()}


def scaffold(smiles: str) -> str:
    """The Bemis–Murcko scaffold: the rings and what links them. A molecule without rings stands for itself."""
    return MurckoScaffold.MurckoScaffoldSmiles(smiles) or smiles


def tokenizer(texts: Iterable[str]) -> Tokenizer:
    """A tokenizer of SMILES that knows the tokens of these: ``C``, ``Cl``, ``[NH4+]``, ``=``, ``(``, ``1`` …"""
    tokens = sorted({token for text in texts for token in re.findall(TOKEN, text)})
    known = Tokenizer(models.WordLevel({"[UNK]": 0} | {token: i for i, token in enumerate(tokens, start=1)}, "[UNK]"))
    known.pre_tokenizer = pre_tokenizers.Split(Regex(TOKEN), "isolated")
    return known
