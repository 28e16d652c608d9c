"""Convolution and max pooling by kernels give what the layers' own code gives, on generated shapes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import kernels
from pellucid.layers import Conv1D, Conv2D, ConvTranspose1D, ConvTranspose2D, MaxPool1D, MaxPool2D

pytestmark = pytest.mark.skipif(kernels.load()[0] is None, reason=kernels.load()[1])

EXAMPLES = settings(max_examples=25, deadline=None)


def both(function, *arrays):
    """The results with kernels, and without."""
    with_kernels = jax.jit(lambda *arrays: function(*arrays))(*arrays)
    with kernels.definitions():
        return with_kernels, jax.jit(lambda *arrays: function(*arrays))(*arrays)


def assert_near(some, others):
    for one, other in zip(jax.tree.leaves(some), jax.tree.leaves(others), strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        largest = np.abs(other).max(initial=0)
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * largest)


def passes(layer, params, x, dy):
    y, _, cache = layer.forward(params, {}, x)
    return y, *layer.backward(params, cache, dy)


def arrays(layer, shape, batch, seed):
    """Parameters, inputs and gradients of a layer, drawn."""
    params, _, outputs = layer.init(jax.random.key(0), shape)
    rng = np.random.default_rng(seed)

    def normal(*array_shape):
        return jnp.asarray(rng.normal(size=array_shape), jnp.float32)

    return jax.tree.map(lambda p: normal(*p.shape), params), normal(batch, *shape), normal(batch, *outputs)


@st.composite
def convolutions(draw):
    """The kind and settings of a convolution, and the shape of an example."""
    rank = draw(st.integers(1, 2))

    def several(most):
        return draw(st.tuples(*[st.integers(1, most)] * rank))

    groups = draw(st.sampled_from([1, 1, 2, 3]))
    settings = {
        "filters": groups * draw(st.integers(1, 20)),
        "kernel": several(4),
        "stride": several(3),
        "padding": draw(st.sampled_from(["valid", "same"])),
        "dilation": several(2),
        "groups": groups,
        "use_biases": draw(st.booleans()),
    }
    kind = draw(st.sampled_from([(Conv1D, ConvTranspose1D), (Conv2D, ConvTranspose2D)][rank - 1]))
    extent = draw(st.tuples(*[st.integers(7, 12)] * rank))
    return kind, settings, (*extent, groups * draw(st.integers(1, 20)))


@st.composite
def convolutions_3x3(draw):
    """Those of a convolution by Winograd's kernel."""
    kind = draw(st.sampled_from([Conv2D, ConvTranspose2D]))
    settings = {"filters": draw(st.integers(8, 70)), "kernel": 3, "padding": draw(st.sampled_from(["valid", "same"]))}
    return kind, settings, (*draw(st.tuples(st.integers(3, 16), st.integers(3, 16))), draw(st.integers(8, 40)))


@pytest.mark.parametrize("drawn", [convolutions, convolutions_3x3], ids=lambda f: f.__name__)
def test_all_passes_equal_the_layers_own(drawn):
    @EXAMPLES
    @given(drawn(), st.integers(1, 5), st.integers(0, 1000))
    def equal(case, batch, seed):
        kind, fields, shape = case
        layer = kind(**fields)
        assert_near(*both(partial(passes, layer), *arrays(layer, shape, batch, seed)))

    equal()


LAYERS = [
    (Conv2D(16, 3), (9, 8, 8)),
    (Conv2D(6, (2, 3), stride=2, padding="same", groups=2), (7, 8, 4)),
    (ConvTranspose2D(8, 3), (5, 4, 16)),
    (Conv1D(5, 3, dilation=2), (11, 3)),
    (MaxPool2D(2), (5, 6, 9)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=str)
def test_members_of_a_population_are_computed_each_by_itself(layer, shape):
    params, x, dy = arrays(layer, shape, 3, 0)
    several = jax.tree.map(lambda p: jnp.stack([p, 2 * p, p - 1]), params)
    gradients = jnp.stack([dy, -dy, dy + 1])
    together = jax.vmap(partial(passes, layer), in_axes=(0, None, 0))(several, x, gradients)
    for member in range(3):
        alone = passes(layer, jax.tree.map(lambda p, m=member: p[m], several), x, gradients[member])
        jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda p, m=member: p[m], together), alone)


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=str)
def test_derivatives_are_those_of_the_layers_own_code(layer, shape):
    params, x, dy = arrays(layer, shape, 2, 0)

    def penalty(params, x, dy):  # a function of the backward pass, as a gradient penalty is
        y, dx, _ = passes(layer, params, x, dy)
        return (y * y).sum() + (dx**3).sum()

    assert_near(*both(jax.grad(penalty, argnums=(0, 1, 2)), params, x, dy))
    assert_near(*both(lambda *primals: jax.jvp(penalty, primals, primals), params, x, dy))


@pytest.mark.parametrize(("layer", "shape"), [(Conv2D(64, 3), (13, 13, 32)), (Conv2D(32, 3), (28, 28, 1))], ids=str)
def test_the_same_bits_every_time(layer, shape):
    case = arrays(layer, shape, 33, 0)
    first = passes(layer, *case)
    for _ in range(5):
        jax.tree.map(np.testing.assert_array_equal, passes(layer, *case), first)


@EXAMPLES
@given(st.data())
def test_max_pooling_equals_the_layers_own(data):
    rank = data.draw(st.integers(1, 2))

    def several(low, high):
        return data.draw(st.tuples(*[st.integers(low, high)] * rank))

    kind = (MaxPool1D, MaxPool2D)[rank - 1]
    layer = kind(several(1, 3), several(1, 3), data.draw(st.sampled_from(["valid", "same"])))
    shape = (*several(3, 8), data.draw(st.integers(1, 40)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    x = jnp.asarray(rng.integers(-2, 2, (2, *shape)), jnp.float32)  # with ties
    dy = jnp.asarray(rng.normal(size=(2, *layer.init(None, shape)[2])), jnp.float32)
    (y, dx, _), (own_y, own_dx, _) = both(partial(passes, layer, {}), x, dy)
    np.testing.assert_array_equal(y, own_y)
    assert_near(dx, own_dx)


def test_max_pooling_passes_not_a_number_on_and_no_gradient_back():
    x = jnp.array([1.0, jnp.nan, 3.0, 2.0, -jnp.inf, -jnp.inf]).reshape(1, 6, 1)
    y, dx, _ = passes(MaxPool1D(2), {}, x, jnp.ones((1, 3, 1)))
    np.testing.assert_array_equal(y.ravel(), [np.nan, 3, -np.inf])
    np.testing.assert_array_equal(dx.ravel(), [0, 0, 1, 0, 1, 0])
