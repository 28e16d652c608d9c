"""The example of image denoising at reduced size."""

import pytest

from examples import harness
from examples.image_denoising import example


@pytest.mark.filterwarnings("ignore::pellucid.DoctorWarning")
def test_restores_images_better_than_principal_components(tmp_path):
    setting = harness.Setting(0, True, tmp_path, tmp_path / "image-denoising")
    scores = example.measure(setting)
    for noise in example.NOISES:
        assert scores[noise]["autoencoder"]["mean squared error"] < scores[noise]["PCA"]["mean squared error"]
    texts = example.draw(setting)
    assert texts["doctor"]
    assert "central differences" in texts["explanation"]
    assert {path.name for path in tmp_path.glob("image-denoising-*")} == {
        "image-denoising-digits.png", "image-denoising-units.png", "image-denoising-strengths.svg",
    }  # fmt: skip
