"""The example on molecules, at reduced size."""

from pathlib import Path

import numpy as np
import pytest

from examples import harness

pytest.importorskip("rdkit")
pytest.importorskip("tokenizers")
pytest.importorskip("matplotlib")

from examples.drug_discovery import example, molecules, pictures


def test_drug_discovery(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PELLUCID_DATA", str(shared_data))
    monkeypatch.setattr(example, "FILES", ("ESOL", "BBBP"))
    setting = harness.Setting(0, True, tmp_path, tmp_path / "drug-discovery")
    scores = example.measure(setting)
    assert scores["ESOL, random split"]["network, descriptors"]["RMSE"] < 1.2  # 2.1 by the mean
    assert scores["BBBP, random split"]["network, descriptors"]["ROC AUC"] > 0.75
    assert example.draw(setting)["doctor"]
    assert all(setting.picture(name).exists() for name in ("predictions.svg", "descriptors.svg", "molecules.png"))


def test_no_scaffold_is_in_both_parts(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PELLUCID_DATA", str(shared_data))
    setting = harness.Setting(0, True, tmp_path, tmp_path / "drug-discovery")
    table = molecules.read("BBBP", example.number(setting)).table
    for split, column in {"random": "smiles", "scaffold": "scaffold"}.items():
        descriptors, texts = example.parts("BBBP", split, setting)
        train, unseen = example.rows_of(descriptors)
        assert not set(table[column][train]) & set(table[column][unseen])
        assert (texts.train.y == descriptors.train.y).all()


def test_blanks_count_nowhere():
    y = np.array([[1, np.nan], [0, 1], [np.nan, 0], [0, 1]])
    answers = np.array([[0.9, 0.1], [0.2, 0.3], [0.5, 0.6], [0.1, 0.7]])
    assert example.mean_auc(y, answers) == pytest.approx((1 + 0.5) / 2)


def test_an_atom_that_decides_is_found():
    added = pictures.occlude("CCN(C)C(=O)Cl", lambda texts: np.array([float("N" in text) for text in texts]))
    assert added.tolist() == [0, 0, 1, 0, 0, 0, 0]


def test_invalid_smiles_are_reported(shared_data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PELLUCID_DATA", str(shared_data))
    found = molecules.read("BBBP", 400)
    assert found.invalid
    assert not set(found.invalid) & set(found.table["spelled"])
    assert len(found.table) + len(found.invalid) == 400
