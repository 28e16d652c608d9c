"""Object detection, in a few scenes."""

import numpy as np

from examples import harness
from examples.object_detection import example
from examples.object_detection.scenes import overlaps


def test_digits_are_found_among_clutter_and_faces_told_from_other_things(tmp_path):
    setting = harness.Setting(0, True, tmp_path, tmp_path / "object-detection")
    scores = example.measure(setting)
    scenes, faces = scores[example.SCENES], scores[example.FACES]
    assert scenes["network"]["mean IoU"] > 1.2 * scenes["the mean box"]["mean IoU"]
    assert scenes["network"]["accuracy of the digit"] > 0.2
    assert faces["network"]["accuracy"] > 0.75
    assert example.draw(setting)["doctor"]
    assert {path.name for path in tmp_path.glob("*.png")} == {
        f"object-detection-{name}.png" for name in ("scenes", "pixels")
    }


def test_overlaps_are_intersection_over_union():
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1]], float)
    others = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]], float)
    np.testing.assert_allclose(overlaps(boxes, others), [1, 1 / 3, 0])
