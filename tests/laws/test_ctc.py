"""Connectionist temporal classification against PyTorch and against all ways to place the labels."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.functions.ctc import CTC, ctc_decode
from pellucid.functions.masking import masked_gradient, masked_value
from pellucid.layers import Dense
from pellucid.network import Network, backpropagate

ROWS, STEPS, CLASSES, LONGEST = 6, 9, 4, 4
LENGTHS, REAL = np.array([4, 3, 2, 0, 1, 2]), np.array([9, 8, 7, 6, 1, 9])
MASK = np.arange(STEPS) < REAL[:, None]


def draw(seed, blank=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice([c for c in range(CLASSES) if c != blank], (ROWS, LONGEST))
    labels[1, 1] = labels[1, 0]  # the same twice
    target = np.where(np.arange(LONGEST) < LENGTHS[:, None], labels, blank)
    return jnp.asarray(2 * rng.normal(size=(ROWS, STEPS, CLASSES))), jnp.asarray(target, jnp.int32)


def ways(scores, blank):
    """The probability of each sequence of labels, by adding up all ways."""
    totals = {}
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        merged = [label for i, label in enumerate(path) if i == 0 or label != path[i - 1]]
        labels = tuple(label for label in merged if label != blank)
        totals[labels] = totals.get(labels, 0.0) + np.exp(sum(scores[t, label] for t, label in enumerate(path)))
    return totals


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_pytorch(seed, blank, float64):
    logits, target = draw(seed, blank)
    loss, mask = CTC(blank=blank), jnp.asarray(MASK)
    value, gradient = jax.jit(lambda z: (masked_value(loss, z, target, mask), masked_gradient(loss, z, target, mask)))(
        logits
    )
    there = torch.tensor(np.array(logits), requires_grad=True)
    scores = torch.log_softmax(there, -1).transpose(0, 1)
    lengths = torch.tensor(REAL), torch.tensor(LENGTHS)
    expected = torch.nn.functional.ctc_loss(scores, torch.tensor(np.array(target)), *lengths, blank, reduction="none")
    expected.sum().backward()
    np.testing.assert_allclose(value, expected.detach(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(gradient, there.grad, rtol=1e-10, atol=1e-10)


def test_it_is_the_sum_over_all_ways(float64):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(1, 4, 3))
    totals = ways(np.asarray(jax.nn.log_softmax(jnp.asarray(logits)))[0], 0)
    assert sum(totals.values()) == pytest.approx(1)
    for labels, probability in totals.items():
        target = jnp.asarray([[*labels, *[0] * (4 - len(labels))]], jnp.int32)
        assert float(CTC().value(jnp.asarray(logits), target)[0]) == pytest.approx(-np.log(probability))


def test_the_gradient_is_the_finite_difference(float64):
    logits, target = draw(5)
    direction, h = np.random.default_rng(0).normal(size=logits.shape), 1e-6
    ahead, behind = (np.asarray(CTC().value(logits + step * direction, target)) for step in (h, -h))
    along = np.sum(np.asarray(CTC().gradient(logits, target)) * direction, axis=(1, 2))
    np.testing.assert_allclose(along, (ahead - behind) / (2 * h), rtol=1e-6)


def test_padded_steps_change_nothing_and_blanks_between_labels_are_skipped():
    logits, target = draw(6)
    spoilt = jnp.where(jnp.asarray(MASK)[:, :, None], logits, 7.0)
    for z in (logits, spoilt):
        value, gradient = (f(CTC(), z, target, jnp.asarray(MASK)) for f in (masked_value, masked_gradient))
        assert not np.asarray(gradient)[~MASK].any()
        np.testing.assert_allclose(value[0], CTC().value(logits[:1, : REAL[0]], target[:1])[0], rtol=1e-5)
        np.testing.assert_allclose(value[2], CTC().value(logits[2:3, : REAL[2]], target[2:3])[0], rtol=1e-5)
    apart = jnp.asarray([[0, 1, 0, 2]]), jnp.asarray([[1, 2, 0, 0]])
    first, second = (CTC().value(logits[:1], y) for y in apart)
    assert first == second


def test_labels_that_do_not_fit_into_the_steps_are_impossible():
    assert np.isinf(CTC().value(jnp.zeros((1, 2, 3)), jnp.asarray([[1, 1]]))).all()
    assert np.isfinite(CTC().value(jnp.zeros((1, 3, 3)), jnp.asarray([[1, 1]]))).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_likeliest_labels(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(3, 5, 3))
    scores = np.asarray(jax.nn.log_softmax(jnp.asarray(logits)))
    for row, decoded in zip(scores, ctc_decode(logits, beam=100), strict=True):
        totals = ways(row, 0)
        assert totals[decoded] == pytest.approx(max(totals.values()), rel=1e-6)
    greedy = ctc_decode(logits)
    assert ctc_decode(np.exp(3 * scores) * 30, beam=1) is not None
    for row, decoded in zip(scores, greedy, strict=True):
        best = row.argmax(axis=1)
        merged = [label for i, label in enumerate(best) if i == 0 or label != best[i - 1]]
        assert decoded == tuple(label for label in merged if label != 0)


def test_decoding_leaves_padding_out_and_refuses_what_it_cannot_read():
    sure = 20.0 * np.eye(3)[[[1, 1, 0, 1, 2, 2]]]
    mask = [[True] * 4 + [False] * 2]
    for beam in (None, 5):
        assert ctc_decode(sure, beam=beam) == [(1, 1, 2)]
        assert ctc_decode(sure, beam=beam, mask=mask) == [(1, 1)]
        assert ctc_decode(sure, beam=beam, blank=2) == [(1, 0, 1)]
    with pytest.raises(ShapeError, match=r"\(rows, steps, classes\). Received: \(6, 3\)"):
        ctc_decode(sure[0])
    with pytest.raises(InvalidValue, match="beam"):
        ctc_decode(sure, beam=0)
    with pytest.raises(ShapeError, match="batch, longest"):
        CTC().check((4, 9, 3), (4,), "int32")


def test_a_network_learns_labels_without_their_places():
    """Each label lasts as long as it likes, with silence between."""
    rng = np.random.default_rng(0)
    x, y = np.zeros((60, 14, 4)), np.zeros((60, 4), np.int32)
    for row in range(len(x)):
        labels, at = rng.integers(1, 4, rng.integers(1, 5)), 0
        y[row, : len(labels)] = labels
        for label in labels:
            at += rng.integers(1, 3)
            length = rng.integers(1, 3)
            x[row, at : at + length, label] = 1
            at += length
    x = jnp.asarray(x + 0.2 * rng.normal(size=x.shape), jnp.float32)
    network, loss, target = Network(Dense(12, "tanh"), Dense(4)), CTC(), jnp.asarray(y)
    params, state, _ = network.init(jax.random.key(0), (14, 4))

    @jax.jit
    def train(params):
        def step(params, _):
            back = backpropagate(network, loss, params, state, x, target, jnp.ones(len(x)))
            return jax.tree.map(lambda w, g: w - 0.5 * g, params, back.grads), back.loss

        return jax.lax.scan(step, params, None, length=200)

    params, losses = train(params)
    assert losses[-1] < 0.1 * losses[0]
    outputs = network.forward(params, state, x).outputs[-1]
    wanted = [tuple(label for label in row if label) for row in y.tolist()]
    for beam in (None, 4):
        decoded = ctc_decode(outputs[:40], beam=beam)
        assert np.mean([one == other for one, other in zip(decoded, wanted, strict=False)]) > 0.9
