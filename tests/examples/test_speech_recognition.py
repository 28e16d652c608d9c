"""The example speech-recognition: digits by known and unknown speakers, and strings."""

from pathlib import Path

from examples import harness
from examples.speech_recognition import example


def test_hears(tmp_path: Path, shared_data: Path) -> None:
    setting = harness.Setting(0, True, tmp_path, tmp_path / "speech-recognition")
    scores = example.measure(setting)
    assert scores[example.TEST][example.CNN]["accuracy"] > 0.8
    assert scores[example.TEST][example.SVM]["accuracy"] > 0.9
    assert scores[example.SPEAKER][example.CNN]["accuracy"] > 0.4  # guessing reaches 0.1
    assert 0 <= scores[example.STRINGS][example.CUT]["word error rate"] < 0.6
    texts = example.draw(setting)
    assert texts["doctor"]
    assert setting.picture("confusions.svg").exists()
    assert setting.picture("string.svg").exists()
