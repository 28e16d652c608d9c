"""Time series at reduced size: the last year of the airline's passengers."""

from examples import harness
from examples.time_series import example


def test_the_networks_beat_the_seasonal_naive_forecast(tmp_path):
    setting = harness.Setting(0, True, tmp_path, tmp_path / "time-series")
    scores = harness.measure(example, setting)["scores"]["airline passengers, 12 months ahead"]
    for network in ("MLP", "LSTM"):
        assert scores[network]["MAE"] < 0.8 * scores["seasonal naive"]["MAE"]
    texts = example.draw(setting)
    assert texts["doctor"]
    for name in ("forecasts.svg", "horizon.svg", "steps.svg"):
        assert setting.picture(name).stat().st_size > 1000
