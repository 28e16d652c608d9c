"""Image recognition, on a part of the images."""

from examples import harness
from examples.image_recognition import example


def test_images_are_recognised(shared_data, tmp_path, monkeypatch):
    monkeypatch.setattr(example, "DATA", {"MNIST": "mnist"})  # the clothes are a package of the system
    setting = harness.Setting(0, True, tmp_path, tmp_path / "image-recognition")
    scores = example.measure(setting)["MNIST"]
    assert scores["network"]["accuracy"] > 0.85
    assert all(value["accuracy"] > 0.8 for value in scores.values())
    assert example.draw(setting)["doctor, MNIST"]
    assert {path.name for path in tmp_path.glob("*.png")} == {
        f"image-recognition-{name}.png" for name in ("mnist", "pixels", "filters")
    }
