"""The example of generating images at reduced size."""

from examples import harness
from examples.image_generation import example


def test_samples_come_closer_to_real_images_than_at_first(tmp_path, shared_data, monkeypatch):
    monkeypatch.setattr(example, "DATA", {"digits": example.DATA["digits"]})
    setting = harness.Setting(0, True, tmp_path, tmp_path / "image-generation")
    scores = example.measure(setting)["digits"]
    assert scores["held-out images"]["classifier is sure"] > 0.6
    assert scores["held-out images"]["classes"] == 10
    assert scores["WGAN-GP"]["classes"] >= 5
    texts = example.draw(setting)
    assert "critic" in texts["digits doctor"] or texts["digits doctor"]
    pictures = {path.name.removeprefix("image-generation-") for path in tmp_path.glob("image-generation-*.png")}
    assert pictures == {
        "digits.png", "digits-between.png", "digits-nearest.png", "digits-training.png", "digits-critic.png",
    }  # fmt: skip
