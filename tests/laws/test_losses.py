"""Every loss of the registry against the laws of a function with a gradient.

One compiled program for each loss and one shape serve most laws: compiling is what takes the time here.
"""

import dataclasses
import inspect
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.core.registry import describe
from pellucid.functions.activations import activations
from pellucid.functions.focal import BinaryFocal, SigmoidFocal, SoftmaxFocal
from pellucid.functions.losses import (
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Huber,
    KLDivergence,
    LogCosh,
    MeanSquaredError,
    PerOutput,
    SparseCategoricalCrossEntropy,
    SparseSoftmaxCrossEntropy,
    fuse,
    losses,
)
from pellucid.functions.losses_of_numbers import Contrastive, Quantile

SMOOTHED = [name for name in losses if "label_smoothing" in inspect.signature(losses.find(name)).parameters]
ITEMS = [losses.build(name) for name in losses if not losses.find(name).of_sequences]  # those: test_ctc
ITEMS += [losses.build({"name": name, "label_smoothing": 0.2}) for name in SMOOTHED]
ITEMS += [Huber(delta=0.4), Quantile(0.8), Contrastive(margin=2.0)]
ITEMS += [BinaryFocal(gamma=0.5, alpha=0.6), SigmoidFocal(gamma=0.0), SoftmaxFocal(gamma=0.5)]
EVERY = pytest.mark.parametrize("loss", ITEMS, ids=str)
SHAPE = (20, 4)

functional = torch.nn.functional


def smooth(item, target):
    """The target of a loss with label smoothing, as PyTorch's ``CrossEntropyLoss`` states it."""
    even = 0.5 if isinstance(item, PerOutput) else 1 / target.shape[1]
    return (1 - item.label_smoothing) * target + item.label_smoothing * even


def one_hot(prediction, labels):
    return functional.one_hot(labels, prediction.shape[1]).double()


def focal_of_answers(item, p, log_p, log_q, t):
    """As ``torchvision.ops.sigmoid_focal_loss``."""
    right = p * t + (1 - p) * (1 - t)
    cross_entropy = -(t * log_p + (1 - t) * log_q)
    weight = item.alpha * t + (1 - item.alpha) * (1 - t)
    return (weight * cross_entropy * (1 - right) ** item.gamma).mean(1)


def focal_of_classes(item, log_p, t):
    return -(t * (1 - log_p.exp()) ** item.gamma * log_p).sum(1)


# One number for each example, from a prediction (batch, outputs) and a target.
TORCH = {
    "mean_squared_error": lambda item, p, t: functional.mse_loss(p, t, reduction="none").mean(1),
    "mean_absolute_error": lambda item, p, t: functional.l1_loss(p, t, reduction="none").mean(1),
    "huber": lambda item, p, t: functional.huber_loss(p, t, reduction="none", delta=item.delta).mean(1),
    "log_cosh": lambda item, p, t: torch.log(torch.cosh(p - t)).sum(1),
    "binary_cross_entropy": lambda item, p, t: functional.binary_cross_entropy(
        p, smooth(item, t), reduction="none"
    ).mean(1),
    "sigmoid_binary_cross_entropy": lambda item, p, t: functional.binary_cross_entropy_with_logits(
        p, smooth(item, t), reduction="none"
    ).mean(1),
    "categorical_cross_entropy": lambda item, p, t: -(smooth(item, t) * torch.log(p)).sum(1),
    "sparse_categorical_cross_entropy": lambda item, p, t: -(smooth(item, one_hot(p, t)) * torch.log(p)).sum(1),
    "softmax_cross_entropy": lambda item, p, t: functional.cross_entropy(
        p, t, reduction="none", label_smoothing=item.label_smoothing
    ),
    "sparse_softmax_cross_entropy": lambda item, p, t: functional.cross_entropy(
        p, t, reduction="none", label_smoothing=item.label_smoothing
    ),
    "binary_focal": lambda item, p, t: focal_of_answers(item, p, torch.log(p), torch.log1p(-p), t),
    "sigmoid_focal": lambda item, z, t: focal_of_answers(
        item, torch.sigmoid(z), functional.logsigmoid(z), functional.logsigmoid(-z), t
    ),
    "categorical_focal": lambda item, p, t: focal_of_classes(item, torch.log(p), t),
    "sparse_categorical_focal": lambda item, p, t: focal_of_classes(item, torch.log(p), one_hot(p, t)),
    "softmax_focal": lambda item, z, t: focal_of_classes(item, torch.log_softmax(z, 1), t),
    "sparse_softmax_focal": lambda item, z, t: focal_of_classes(item, torch.log_softmax(z, 1), one_hot(z, t)),
    "poisson": lambda item, p, t: functional.poisson_nll_loss(p, t, log_input=False, eps=0, reduction="none").mean(1),
    "log_poisson": lambda item, z, t: functional.poisson_nll_loss(z, t, reduction="none").mean(1),
    "quantile": lambda item, p, t: torch.maximum(item.q * (t - p), (item.q - 1) * (t - p)).mean(1),
    "cosine": lambda item, p, t: functional.cosine_embedding_loss(p, t, torch.ones(len(p)), reduction="none"),
    "contrastive": lambda item, p, t: ((1 - t) * p**2 + t * torch.relu(item.margin - p) ** 2).mean(1),
    "kl_divergence": lambda item, p, t: functional.kl_div(torch.log(p), t, reduction="none").sum(1),
    "wasserstein": lambda item, p, t: -(p * t).mean(1),
    "hinge": lambda item, p, t: torch.relu(1 - p * t).mean(1),
    "perceptron_criterion": lambda item, p, t: torch.relu(-p * t).mean(1),
    "squared_hinge": lambda item, p, t: torch.relu(1 - p * t).square().mean(1),
}


def draw(loss, rng, shape, dtype=np.float32):
    """A prediction of ``shape`` and a target, in the loss's domain and away from its kinks."""
    prediction = 2 * rng.normal(size=shape)
    if loss.reads == "probabilities" and loss.target_kind == "numbers":
        prediction = rng.uniform(0.05, 0.95, size=shape)
    elif loss.reads == "probabilities":
        prediction = rng.dirichlet(np.full(shape[-1], 3.0), size=shape[:-1]) * 0.9 + 0.1 / shape[-1]
    elif loss.reads in ("rates", "distances"):
        prediction = np.abs(prediction) + 0.1
    classes = rng.integers(0, shape[-1], size=shape[:-1])
    if loss.target_kind == "classes":
        target = classes
    elif loss.name == "kl_divergence":
        target = rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    elif loss.target_kind == "one_hot":
        target = np.eye(shape[-1])[classes]
    elif loss.reads in ("rates", "log_rates"):
        target = rng.poisson(2.0, size=shape)
    elif np.isfinite(loss.target_range).all():
        target = rng.choice(loss.target_range, size=shape)
        if loss.reads == "margins":
            prediction = np.where(np.abs(prediction * target - 1) < 0.02, prediction + 0.1, prediction)
    else:
        target = rng.normal(size=shape)
        for kink in (0.0, getattr(loss, "delta", 0.0)):
            near = np.abs(np.abs(prediction - target) - kink) < 0.02
            prediction = np.where(near, prediction + 0.1 * np.sign(prediction - target), prediction)
    kind = np.int32 if loss.target_kind == "classes" else dtype
    return jnp.asarray(prediction.astype(dtype)), jnp.asarray(target.astype(kind))


@partial(jax.jit, static_argnames="loss")
def value_and_gradient(loss, prediction, target):
    return loss.value(prediction, target), loss.gradient(prediction, target)


@jax.jit
def every_gradient_and_vjp(drawn):
    """By loss, its value, the gradient by hand, and the gradient by autodiff."""
    results = {}
    for loss in ITEMS:
        prediction, target = drawn[str(loss)]
        value, pull = jax.vjp(partial(loss.value, target=target), prediction)
        results[str(loss)] = value, loss.gradient(prediction, target), pull(jnp.ones_like(value))[0]
    return results


def test_tables_cover_the_registry():
    assert set(TORCH) == {name for name in losses if not losses.find(name).of_sequences}


@settings(max_examples=5, deadline=None)
@given(
    batch=st.integers(1, 3),
    steps=st.lists(st.integers(1, 2), max_size=1),
    outputs=st.integers(2, 4),
    seed=st.integers(0, 2**31),
)
def test_gradient_is_the_vector_jacobian_product(batch, steps, outputs, seed):
    rng = np.random.default_rng(seed)
    drawn = {str(loss): draw(loss, rng, (batch, *steps, outputs)) for loss in ITEMS}
    for name, (value, by_hand, derived) in every_gradient_and_vjp(drawn).items():
        assert value.shape == (batch,)
        np.testing.assert_allclose(by_hand, derived, rtol=2e-5, atol=2e-6, err_msg=name)


@EVERY
def test_gradient_is_the_finite_difference(loss, float64):
    rng = np.random.default_rng(1)
    prediction, target = draw(loss, rng, SHAPE, np.float64)
    direction, h = rng.normal(size=SHAPE), 1e-6
    forward, back = (value_and_gradient(loss, prediction + s * h * direction, target)[0] for s in (1, -1))
    gradient = np.asarray(value_and_gradient(loss, prediction, target)[1])
    change = np.asarray(forward - back) / (2 * h)
    np.testing.assert_allclose(np.sum(gradient * direction, axis=1), change, rtol=1e-6, atol=1e-7)


@jax.jit
def every_reduction(drawn, weights):
    """By loss and reduction: plain, weighted, the gradient of weighted, and value, gradient and fractions."""
    results = {}
    for item, reduction in itertools.product(ITEMS, ("mean", "sum")):
        loss, pair = dataclasses.replace(item, reduction=reduction), drawn[str(item)]
        weighted, reduced = jax.value_and_grad(loss)(*pair, weights)
        each = loss.value(*pair), loss.gradient(*pair), loss.fractions(weights)
        results[f"{item.name} {reduction}"] = loss(*pair), weighted, reduced, *each
    return results


def test_reduction_and_fractions_are_one_thing():
    drawn = {str(loss): draw(loss, np.random.default_rng(2), SHAPE) for loss in ITEMS}
    weights = np.random.default_rng(3).integers(0, 4, size=SHAPE[0]).astype(np.float32) / 2
    assert 0 in weights
    for name, results in every_reduction(drawn, weights).items():
        plain, weighted, reduced, value, gradient, fractions = map(np.asarray, results)
        mean, total = name.endswith("mean"), np.sum(weights * value)
        np.testing.assert_allclose(plain, np.mean(value) if mean else np.sum(value), rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(weighted, total / np.sum(weights) if mean else total, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(fractions[:, None] * gradient, reduced, rtol=1e-5, atol=1e-6, err_msg=name)


@EVERY
def test_finite_at_the_edges(loss):
    far = [0.0, 1.0] if loss.reads == "probabilities" else [-1e4, 1e4]
    prediction = np.resize(np.float32(list(itertools.product(far, repeat=4))), SHAPE)
    low = max(loss.target_range[0], -1.0) if np.isfinite(loss.target_range[0]) else 0.0
    for place in range(SHAPE[1]):
        target = np.full(SHAPE, low, np.float32)
        target[:, place] = 1
        if loss.target_kind == "classes":
            target = np.full(SHAPE[:1], place, np.int32)
        for result in value_and_gradient(loss, prediction, target):
            assert np.all(np.isfinite(result))


@EVERY
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_dtype_is_kept(loss, dtype, float64):
    _, target = draw(loss, np.random.default_rng(4), SHAPE)
    prediction = jax.ShapeDtypeStruct(SHAPE, dtype)
    value, gradient = jax.eval_shape(partial(value_and_gradient, loss), prediction, target)
    assert (value.dtype, value.shape) == (dtype, SHAPE[:1])
    assert (gradient.dtype, gradient.shape) == (dtype, SHAPE)
    reduced = jax.eval_shape(loss, prediction, target)
    assert (reduced.dtype, reduced.shape) == (dtype, ())


@EVERY
def test_survives_jit_scan_and_vmap(loss):
    rng = np.random.default_rng(5)
    drawn = [draw(loss, rng, SHAPE) for _ in range(2)]
    expected = [np.stack(parts) for parts in zip(*[value_and_gradient(loss, *d) for d in drawn], strict=True)]

    @jax.jit
    def mapped_and_scanned(pairs):
        run = partial(value_and_gradient, loss)
        return jax.vmap(run)(*pairs), jax.lax.scan(lambda carry, pair: (carry, run(*pair)), 0, pairs)[1]

    for result in mapped_and_scanned([jnp.stack(parts) for parts in zip(*drawn, strict=True)]):
        for one, other in zip(expected, result, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)


@EVERY
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_pytorch(loss, seed, float64):
    prediction, target = draw(loss, np.random.default_rng(seed), SHAPE, np.float64)
    value, gradient = value_and_gradient(loss, prediction, target)
    there = torch.tensor(np.array(prediction), requires_grad=True)
    labels = torch.tensor(np.array(target))
    labels = labels.long() if loss.target_kind == "classes" else labels
    expected = TORCH[loss.name](loss, there, labels)
    expected.sum().backward()
    np.testing.assert_allclose(value, expected.detach(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(gradient, there.grad, rtol=1e-10, atol=1e-10)


@EVERY
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_described_and_built_again(loss, reduction):
    loss = dataclasses.replace(loss, reduction=reduction)
    assert losses.build(describe(loss)) == loss
    assert losses.build(loss.name) == type(loss)()


@EVERY
def test_shapes_that_differ_are_refused(loss):
    prediction, target = draw(loss, np.random.default_rng(7), SHAPE)
    for wrong in (target[:3], target[..., None], target[:, None]):
        with pytest.raises(ShapeError) as error:
            loss(prediction, wrong)
        assert str(SHAPE) in str(error.value)
        assert str(wrong.shape) in str(error.value)
    with pytest.raises(ShapeError, match="weights"):
        loss(prediction, target, jnp.ones((SHAPE[0], 1)))


@pytest.mark.parametrize(
    ("name", "prediction", "target", "dtype", "advice"),
    [
        ("mean_squared_error", (4, 1), (4,), "float32", r"reshape the target to \(4, 1\)"),
        ("mean_squared_error", (4,), (4, 1), "float32", r"reshape the target to \(4,\)"),
        ("mean_squared_error", (4, 2), (4, 3), "float32", r"must have shape \(4, 2\)"),
        ("categorical_cross_entropy", (4, 3), (4,), "int32", "sparse"),
        ("sparse_categorical_cross_entropy", (4, 3), (4, 3), "float32", "one-hot"),
        ("sparse_categorical_cross_entropy", (4, 3), (4, 1), "int32", r"reshape the target to \(4,\)"),
        ("sparse_categorical_cross_entropy", (4, 3), (4,), "float32", "astype"),
        ("sparse_softmax_cross_entropy", (4, 1), (4,), "int32", "binary_cross_entropy"),
        ("softmax_cross_entropy", (4, 1), (4, 1), "float32", "binary_cross_entropy"),
        ("mean_squared_error", (), (), "float32", "first must count the examples"),
    ],
)
def test_refusals_say_what_to_do(name, prediction, target, dtype, advice):
    with pytest.raises(ShapeError, match=advice):
        losses.build(name).check(prediction, target, dtype)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32"])
def test_targets_may_be_stored_small(dtype):
    prediction = jnp.asarray([[0.2], [0.7]])
    whole = jnp.asarray([[0], [1]], dtype)
    for loss in (BinaryCrossEntropy(), MeanSquaredError()):
        expected = loss(prediction, whole.astype(jnp.float32))
        assert loss(prediction, whole) == expected
        assert loss.gradient(prediction, whole).dtype == prediction.dtype


def test_labels_stored_in_a_byte_do_not_wrap_around():
    prediction = jnp.full((1, 300), 1 / 300)
    gradient = SparseCategoricalCrossEntropy().gradient(prediction, jnp.asarray([10], jnp.uint8))
    assert np.flatnonzero(gradient).tolist() == [10]


@pytest.mark.parametrize("name", ["sparse_categorical_cross_entropy", "sparse_softmax_cross_entropy"])
def test_a_label_that_is_no_class_counts_for_nothing(name):
    loss, prediction = losses.build(name), jnp.asarray([[0.3, 0.7], [0.3, 0.7]])
    labels = jnp.asarray([-1, 2])
    assert not np.any(loss.value(prediction, labels))
    assert not np.any(loss.gradient(prediction, labels))


@pytest.mark.parametrize("pair", ["categorical_cross_entropy", "softmax_cross_entropy"])
def test_sparse_labels_give_the_numbers_of_one_hot(pair):
    dense, sparse = losses.build(pair), losses.build(f"sparse_{pair}")
    prediction, target = draw(dense, np.random.default_rng(8), (5, 2, 4))
    labels = jnp.argmax(target, axis=-1)
    np.testing.assert_array_equal(sparse.value(prediction, labels), dense.value(prediction, target))
    np.testing.assert_array_equal(sparse.gradient(prediction, labels), dense.gradient(prediction, target))


PAIRS = list(itertools.product(activations, losses))
FUSED = {
    ("softmax", "categorical_focal"): "softmax_focal",
    ("softmax", "sparse_categorical_focal"): "sparse_softmax_focal",
    ("sigmoid", "binary_focal"): "sigmoid_focal",
    ("exponential", "poisson"): "log_poisson",
    ("softmax", "categorical_cross_entropy"): "softmax_cross_entropy",
    ("softmax", "sparse_categorical_cross_entropy"): "sparse_softmax_cross_entropy",
    ("sigmoid", "binary_cross_entropy"): "sigmoid_binary_cross_entropy",
}


def test_only_the_stated_pairs_fuse():
    found = {}
    for activation, name in PAIRS:
        loss = losses.build({"name": name, "reduction": "sum"})
        fused = fuse(activations.build(activation), loss)
        if fused is not None:
            assert fused.reduction == "sum"
            assert fused.target_kind == loss.target_kind
            found[activation, name] = fused.name
    assert found == FUSED


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("pair", sorted(FUSED), ids="-".join)
def test_a_fusion_equals_its_two_factors(pair, smoothing, float64):
    if smoothing and pair[1] not in SMOOTHED:
        pytest.skip("without label smoothing")
    field = {"label_smoothing": smoothing} if smoothing else {}
    activation, loss = activations.build(pair[0]), losses.build({"name": pair[1], **field})
    fused = fuse(activation, loss)
    assert fused is not None
    _, target = draw(loss, np.random.default_rng(9), SHAPE, np.float64)
    z = jnp.asarray(np.random.default_rng(10).normal(size=SHAPE))
    a = activation.value(z)
    value, gradient = value_and_gradient(loss, a, target)
    whole_value, whole_gradient = value_and_gradient(fused, z, target)
    np.testing.assert_allclose(whole_value, value, rtol=1e-10)
    np.testing.assert_allclose(whole_gradient, activation.backward(z, a, gradient), rtol=1e-10, atol=1e-12)


def test_fusions_are_exact_at_large_logits():
    softmax = SparseSoftmaxCrossEntropy()
    logits = jnp.asarray([[1e4, -1e4, 0.0]] * 3)
    labels = jnp.arange(3)
    assert softmax.value(logits, labels).tolist() == [0.0, 2e4, 1e4]
    assert softmax.gradient(logits, labels).tolist() == [[0, 0, 0], [1, -1, 0], [1, 0, -1]]
    sigmoid = losses.build("sigmoid_binary_cross_entropy")
    z, y = jnp.asarray([[1e4], [1e4], [-1e4], [20.0]]), jnp.asarray([[0.0], [1.0], [1.0], [1.0]])
    np.testing.assert_allclose(sigmoid.value(z, y), [1e4, 0, 1e4, 2.0611536e-09], rtol=1e-6)
    np.testing.assert_allclose(sigmoid.gradient(z, y), [[1], [0], [-1], [0]], atol=1e-7)


def test_a_confident_mistake_still_has_a_gradient():
    assert float(BinaryCrossEntropy().gradient(jnp.zeros((1, 1)), jnp.ones((1, 1)))[0, 0]) < -1e6
    mistaken = CategoricalCrossEntropy().gradient(jnp.asarray([[0.0, 1.0]]), jnp.asarray([[1.0, 0.0]]))
    assert float(mistaken[0, 0]) < -1e6
    assert float(CategoricalCrossEntropy()(jnp.asarray([[0.0, 1.0]]), jnp.asarray([[0.0, 1.0]]))) == 0


def test_gradients_at_ties():
    zero, one = jnp.zeros((1, 1)), jnp.ones((1, 1))
    assert losses.build("mean_absolute_error").gradient(one, one).item() == 0
    assert losses.build("hinge").gradient(one, one).item() == 0
    assert losses.build("squared_hinge").gradient(one, one).item() == 0
    assert Huber(delta=1.0).gradient(one, zero).item() == 1


def test_log_cosh_sums_by_default_and_keeps_small_errors():
    prediction, target = jnp.asarray([[1e-3, 0.0], [2e-3, 1e-3]]), jnp.zeros((2, 2))
    expected = (1e-6 + 4e-6 + 1e-6) / 2
    np.testing.assert_allclose(LogCosh()(prediction, target), expected, rtol=1e-3)
    np.testing.assert_allclose(LogCosh(reduction="mean")(prediction, target), expected / 2, rtol=1e-3)


def test_several_quantiles_have_an_output_each():
    prediction, target = draw(Quantile(), np.random.default_rng(13), (6, 3))
    together = Quantile((0.1, 0.5, 0.8))
    each = [Quantile(q) for q in together.q]
    columns = [(loss, prediction[:, i : i + 1], target[:, i : i + 1]) for i, loss in enumerate(each)]
    np.testing.assert_allclose(
        together.value(prediction, target), np.mean([loss.value(p, t) for loss, p, t in columns], axis=0), rtol=1e-6
    )
    gradients = np.hstack([loss.gradient(p, t) for loss, p, t in columns])
    np.testing.assert_allclose(together.gradient(prediction, target), gradients / 3, rtol=1e-6)
    assert losses.build({"name": "quantile", "q": [0.1, 0.5, 0.8]}) == together
    with pytest.raises(ShapeError, match="3 quantiles need as many outputs"):
        together.value(prediction[:, :2], target[:, :2])
    for wrong in (1.0, (0.5, 0.0), ()):
        with pytest.raises(InvalidValue, match="quantile"):
            Quantile(wrong)


def test_kl_divergence_is_zero_between_equals_and_above_zero_otherwise():
    rng = np.random.default_rng(11)
    p, q = (jnp.asarray(rng.dirichlet(np.ones(5), size=50), jnp.float32) for _ in range(2))
    np.testing.assert_allclose(KLDivergence().value(p, p), 0, atol=1e-6)
    assert np.all(np.asarray(KLDivergence().value(p, q)) > 0)
    certain = jnp.asarray([[0.0, 1.0]])
    assert float(KLDivergence()(certain, certain)) == 0


def test_sequences_are_averaged_over_their_steps():
    loss = SparseSoftmaxCrossEntropy()
    prediction, target = map(np.asarray, draw(loss, np.random.default_rng(12), (20, 2, 4)))
    steps = [value_and_gradient(loss, prediction[:, step], target[:, step]) for step in range(2)]
    value, gradient = value_and_gradient(loss, prediction, target)
    np.testing.assert_allclose(value, (steps[0][0] + steps[1][0]) / 2, rtol=1e-6)
    np.testing.assert_allclose(gradient, np.stack([steps[0][1], steps[1][1]], axis=1) / 2, rtol=1e-6)


def test_wrong_fields_are_refused(monkeypatch):
    with pytest.raises(InvalidValue, match="delta"):
        Huber(delta=0.0)
    # As a user has it: without the type checker of the tests, which would come first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InvalidValue, match="reduction"):
        losses.build({"name": "huber", "reduction": "none"})
