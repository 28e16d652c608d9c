"""The example of generating images at reduced size."""

import pellucid as pel
from examples import harness
from examples.image_generation import example


def test_samples_come_closer_to_real_images_than_at_first(tmp_path, shared_data, monkeypatch):
    monkeypatch.setattr(example, "DATA", {"digits": example.DATA["digits"]})
    setting = harness.Setting(0, True, tmp_path, tmp_path / "image-generation")
    scores = example.measure(setting)["digits"]
    assert scores["held-out images"]["classifier is sure"] > 0.5
    assert scores["held-out images"]["classes"] == 10
    judge, first = (pel.load(setting.folder / "digits" / run) for run in ("judge", "epoch-1"))
    real = judge.encode(example.images("digits", setting).train.x)
    assert scores["WGAN-GP"]["distance"] < example.quality(judge, first.sample(500), real)["distance"]
    assert example.draw(setting)["doctor"]
    pictures = {path.name.removeprefix("image-generation-") for path in tmp_path.glob("image-generation-*.png")}
    assert pictures == {
        "digits.png", "digits-between.png", "digits-nearest.png", "digits-training.png", "digits-critic.png",
    }  # fmt: skip
