"""The example of anomaly detection at reduced size."""

from examples import harness
from examples.anomaly_detection import example


def test_finds_anomalies_that_it_was_never_shown(tmp_path):
    setting = harness.Setting(0, True, tmp_path, tmp_path / "anomaly-detection")
    scores = example.measure(setting)
    for table in example.TABLES:
        assert scores[table]["autoencoder"]["AUROC"] > 0.85
    texts = example.draw(setting)
    assert texts["doctor"]
    assert "of the error" in texts["reasons"]
    assert {path.name for path in tmp_path.glob("anomaly-detection-*")} == {
        "anomaly-detection-curves.svg", "anomaly-detection-columns.svg",
    }  # fmt: skip
