"""Layers of augmentation: what they may draw, how often, and that prediction does without them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from layer_rows import example_row
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.functions.losses import losses
from pellucid.layers import (
    Conv2D,
    Cutout,
    Dense,
    Flatten,
    FrequencyMask,
    Mixup,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomShift,
    TimeMask,
    layers,
)
from pellucid.layers.augmentation import Augmentation
from pellucid.network import Network, backpropagate

MANY = 4000
AUGMENTATIONS = [name for name in layers if issubclass(layers.find(name), (Augmentation, Mixup))]


def drawn(layer, x, seed=0):
    """What a layer makes of examples in training."""
    return np.asarray(layer.forward({}, {}, jnp.asarray(x), key=jax.random.key(seed), training=True)[0])


def numbered(*shape, count=MANY):
    """The same example many times, each of its numbers another, none 0."""
    return np.broadcast_to(np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape), (count, *shape))


def frequencies(examples):
    """How often each example occurs."""
    _, counts = np.unique(examples.reshape(len(examples), -1), axis=0, return_counts=True)
    return counts / len(examples)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_prediction_changes_nothing(name):
    row = example_row(name)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, *row.input_shape)), jnp.float32)
    y, _, _ = row.layer.forward({}, {}, x, key=None, training=False)
    assert np.array_equal(y, x[:, :3, :2] if name == "random_crop" else x)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_training_depends_on_the_key_alone(name):
    row = example_row(name)
    x = np.random.default_rng(0).normal(size=(30, *row.input_shape)).astype(np.float32)
    assert np.array_equal(drawn(row.layer, x, seed=1), drawn(row.layer, x, seed=1))
    assert not np.array_equal(drawn(row.layer, x, seed=1), drawn(row.layer, x, seed=2))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_training_needs_a_key(name):
    row = example_row(name)
    with pytest.raises(ValueError, match="needs a random key"):
        row.layer.forward({}, {}, jnp.zeros((2, *row.input_shape)), key=None, training=True)


@pytest.mark.parametrize(("direction", "axes"), [("horizontal", [2]), ("vertical", [1]), ("both", [1, 2])])
def test_flip_mirrors_each_direction_half_the_time(direction, axes):
    x = numbered(3, 4, 2)
    y = drawn(RandomFlip(direction), x)
    allowed = [x[0]]
    for axis in axes:
        allowed += [np.flip(image, axis - 1) for image in allowed]
    found = np.array([(y == image).all((1, 2, 3)).mean() for image in allowed])
    assert found.sum() == 1
    assert abs(found - 1 / len(allowed)).max() < 0.03


def test_shift_takes_every_shift_equally_often_and_fills_the_rest():
    x = numbered(4, 5, 2)
    y = drawn(RandomShift(1, fill=-7.0), x)
    wide = np.pad(x[0], ((1, 1), (1, 1), (0, 0)), constant_values=-7.0)
    found = np.array([(y == wide[i : i + 4, j : j + 5]).all((1, 2, 3)).mean() for i in range(3) for j in range(3)])
    assert found.sum() == pytest.approx(1)
    assert abs(found - 1 / 9).max() < 0.02


def test_crop_takes_every_window_equally_often():
    x = numbered(4, 4, 1)
    y = drawn(RandomCrop(3, 2), x)
    found = np.array([(y == x[0, i : i + 3, j : j + 2]).all((1, 2, 3)).mean() for i in range(2) for j in range(3)])
    assert found.sum() == pytest.approx(1)
    assert abs(found - 1 / 6).max() < 0.02


def test_rotation_turns_by_angles_up_to_the_largest_and_interpolates_as_scipy_does():
    side, degrees = 9, 40.0
    middle = (side - 1) / 2
    # An image that holds its own coordinates gives away where each pixel was taken from.
    down, right = np.meshgrid(*[np.arange(side) - middle] * 2, indexing="ij")
    picture = np.random.default_rng(0).normal(size=(side, side))
    x = np.broadcast_to(np.stack([down, right, picture], axis=-1).astype(np.float32), (300, side, side, 3))
    y = drawn(RandomRotation(degrees, fill=0.5), x)
    i, j = int(middle), int(middle) + 2
    angles = np.arctan2(y[:, i, j, 0], y[:, i, j, 1])
    assert np.allclose(np.hypot(y[:, i, j, 0], y[:, i, j, 1]), 2, atol=1e-5)
    assert np.rad2deg(abs(angles)).max() <= degrees + 1e-3
    assert np.quantile(np.rad2deg(angles), [0.25, 0.5, 0.75]) == pytest.approx([-20, 0, 20], abs=6)
    for angle, image in zip(angles[:5], y[:5, ..., 2], strict=True):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        source = np.einsum("ab,bij->aij", turn, np.stack([down, right])) + middle
        expected = ndimage.map_coordinates(picture, source, order=1, mode="constant", cval=0.5)
        # At the border itself SciPy takes the fill where JAX still interpolates towards it.
        inside = ((source >= 0) & (source <= side - 1)).all(axis=0)
        assert np.allclose(image[inside], expected[inside], atol=1e-5)
        outside = ((source < -1) | (source > side)).any(axis=0)
        assert (image[outside] == 0.5).all()


def test_cutout_blanks_a_square_around_any_pixel():
    x = numbered(5, 6, 2)
    y = drawn(Cutout(3, fill=-1.0), x)
    squares = []
    for i in range(5):
        for j in range(6):
            image = x[0].copy()
            image[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2] = -1.0
            squares.append(image)
    found = np.array([(y == image).all((1, 2, 3)).mean() for image in squares])
    assert found.sum() == pytest.approx(1)
    assert abs(found - 1 / 30).max() < 0.015


@pytest.mark.parametrize(("layer", "axis"), [(TimeMask(3), 1), (FrequencyMask(3), 2)], ids=["time", "frequency"])
def test_a_mask_covers_neighbours_of_every_width_equally_often(layer, axis):
    y = drawn(layer, numbered(7, 6))
    covered = (y == 0).all(axis=3 - axis)
    assert np.array_equal((y == 0).any(axis=3 - axis), covered)
    widths = covered.sum(axis=1)
    assert abs(np.bincount(widths, minlength=4) / MANY - 1 / 4).max() < 0.03
    assert (np.diff(covered, axis=1, prepend=False, append=False).sum(axis=1) <= 2).all()
    starts = covered[widths == 3].argmax(axis=1)
    assert len(np.unique(starts)) == y.shape[axis] - 2


def test_masks_are_as_many_as_asked_for():
    y = drawn(TimeMask(1, count=3), numbered(50, 2))
    assert (y == 0).all(axis=2).sum(axis=1).max() == 3


@pytest.mark.parametrize(
    ("layer", "shape", "says"),
    [
        (RandomFlip(), (4, 4), "height, width, channels"),
        (RandomCrop(5, 2), (4, 4, 1), "Choose a smaller window"),
        (TimeMask(5), (4, 2), "choose a smaller width"),
        (FrequencyMask(3), (4, 2), "choose a smaller width"),
    ],
)
def test_examples_that_a_layer_cannot_change_are_refused(layer, shape, says):
    with pytest.raises(ShapeError, match=says):
        layer.init(jax.random.key(0), shape)


def test_an_augmentation_in_front_of_a_chain_gives_grey_images_their_channel():
    network = Network(RandomShift(1), Conv2D(2, 3), Flatten(), Dense(3)).accepting((6, 6))
    assert network.names[:2] == ("reshape_1", "random_shift_1")


@pytest.mark.parametrize(
    ("loss", "last"),
    [
        ("categorical_cross_entropy", "softmax"),
        ("softmax_cross_entropy", "linear"),
        ("kl_divergence", "softmax"),
        ("binary_cross_entropy", "sigmoid"),
    ],
)
def test_mixup_has_the_loss_and_gradient_of_the_mixed_target(loss, last, float64):
    rng, key = np.random.default_rng(0), jax.random.key(3)
    x = jnp.asarray(rng.normal(size=(8, 5)))
    y = jnp.asarray(np.eye(3)[rng.integers(0, 3, 8)])
    head, criterion = Dense(3, last), losses.build(loss)
    network, plain = Network(Mixup(0.5), head), Network(head)
    params, state, _ = plain.init(jax.random.key(0), (5,))
    params = jax.tree.map(lambda w: w.astype(jnp.float64) + 0.1, params)
    result = backpropagate(network, criterion, ({}, *params), ({}, *state), x, y, jnp.ones(8), key=key)
    partners, kept = Mixup(0.5).mixture(jax.random.fold_in(key, 0), 8)
    kept = kept.astype(jnp.float64)[:, None]
    mixed_x, mixed_y = (kept * a + (1 - kept) * a[partners] for a in (x, y))
    expected = backpropagate(plain, criterion, params, state, mixed_x, mixed_y, jnp.ones(8))
    if loss != "kl_divergence":  # which adds the entropy of the target
        assert float(result.loss) == pytest.approx(float(expected.loss), rel=1e-12)
    for own, other in zip(jax.tree.leaves(result.grads), jax.tree.leaves(expected.grads), strict=True):
        assert np.allclose(own, other, rtol=1e-12, atol=1e-14)


def test_mixup_keeps_a_fraction_from_the_beta_distribution():
    partners, kept = Mixup(2.0).mixture(jax.random.key(0), MANY)
    assert sorted(partners.tolist()) == list(range(MANY))
    assert float(kept.mean()) == pytest.approx(1 / 2, abs=0.02)
    assert float(kept.var()) == pytest.approx(1 / 20, abs=0.005)


def test_mixup_is_refused_where_examples_arrive_unmixed():
    with pytest.raises(InvalidValue, match="also reaches an output around it"):
        Network.graph(
            inputs="x",
            nodes={"mixed": (Mixup(), "x"), "a": (Dense(2), "mixed"), "b": (Dense(2), "x"), "y": ("add", ("a", "b"))},
            outputs="y",
        )
    with pytest.raises(InvalidValue, match="mixes its examples once"):
        Network(Mixup(), Dense(2), Mixup(), Dense(2))
