"""The example driving: a network that steers better than chance on frames that it has not seen."""

from pathlib import Path

from examples import harness
from examples.driving import example


def test_steers(tmp_path: Path, shared_data: Path) -> None:
    setting = harness.Setting(0, True, tmp_path, tmp_path / "driving")
    scores = example.measure(setting)[example.FRAMES]
    assert scores["convolutional network"]["R²"] > 0.4
    assert scores["ridge regression, grey pixels"]["R²"] > 0.4
    texts = example.draw(setting)
    assert texts["doctor"]
    assert setting.picture("angles.svg").exists()
    assert setting.picture("drive.webp").exists()
