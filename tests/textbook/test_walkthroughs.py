"""The worked examples against the same arithmetic in NumPy."""

import json

import jax
import numpy as np
import pytest
from click.testing import CliRunner

from pellucid.cli.main import main
from pellucid.core.errors import UnknownName
from pellucid_textbook.lessons.walkthroughs import (
    WALKTHROUGHS,
    XOR_RATE,
    XOR_X,
    XOR_Y,
    train_xor,
    walk_through,
    xor_network,
    xor_step,
)


@pytest.fixture(scope="module")
def pages():
    return {name: walk_through(name) for name in WALKTHROUGHS}


def number(text):
    return float(str(text).replace("−", "-").strip("()"))


def test_every_row_of_and_follows_the_rule(pages):
    data = pages["and-by-hand"].data
    given, learnt = (data[key] for key in data if key.startswith("from_"))
    assert [row["z"] for row in given] == [-0.7, -0.2, -0.2, 0.3]
    assert all(row["ŷ"] == row["y"] for row in given)
    w, b = np.zeros(2), 0.0
    for row in learnt:
        x = np.array([row["x₁"], row["x₂"]])
        z = w @ x + b
        assert (row["z"], row["ŷ"], row["y"]) == (z, int(z >= 0), int(x.all()))
        w, b = w + (row["y"] - row["ŷ"]) * x, b + row["y"] - row["ŷ"]
        assert [number(part) for part in row["w"].split(",")] == w.tolist()
        assert row["b"] == b
        assert eval(row["sum"].replace("·", "*").replace("−", "-")) == z
    assert sum(row["y"] != row["ŷ"] for row in learnt) == data["learnt"]["mistakes"] == 11
    assert "at most 51 mistakes" in data["learnt"]["why_it_had_to_end"]


def test_every_number_of_a_step_on_xor(pages):
    params, _, _ = xor_network().init(jax.random.key(0), (2,))
    (W, b), (V, c) = (
        (np.asarray(params[layer]["weights"], float), np.asarray(params[layer]["biases"], float)) for layer in (0, 2)
    )
    z1 = XOR_X @ W + b
    a1 = np.tanh(z1)
    z2 = a1 @ V + c
    y_hat = 1 / (1 + np.exp(-z2))
    data = pages["xor-by-hand"].data
    forward = np.array([list(row.values()) for row in data["first_step,_forward"]])
    loss = -(XOR_Y * np.log(y_hat) + (1 - XOR_Y) * np.log(1 - y_hat))
    np.testing.assert_allclose(forward, np.hstack([XOR_X, z1, a1, z2, y_hat, XOR_Y, loss]), rtol=1e-5, atol=1e-6)
    dz2 = (y_hat - XOR_Y) / 4
    da1 = dz2 @ V.T
    dz1 = da1 * (1 - a1**2)
    backward = np.array([list(row.values()) for row in data["first_step,_backward"]])
    np.testing.assert_allclose(backward, np.hstack([XOR_X, dz2, da1, dz1]), rtol=1e-5, atol=1e-6)
    grads = np.concatenate([(XOR_X.T @ dz1).ravel(), dz1.sum(0), (a1.T @ dz2).ravel(), dz2.sum(0)])
    before = np.concatenate([W.ravel(), b, V.ravel(), c])
    update = np.array([list(row.values())[2:] for row in data["first_step,_update"]])
    np.testing.assert_allclose(update[:, 0], grads, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(update[:, 1], grads, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(update[:, 3], before - XOR_RATE * grads, rtol=1e-5, atol=1e-6)
    for row in data["first_step,_update"]:
        written = row["∂L/∂z_·_what_it_multiplies,_over_the_rows"].replace("·", "*").replace("−", "-")
        np.testing.assert_allclose(eval(written), row["∂L/∂w"], rtol=0.02, atol=1e-4)


def test_xor_is_solved_from_here(pages):
    params, _, _ = xor_network().init(jax.random.key(0), (2,))
    trained = train_xor(params)
    made = xor_step(trained.params)
    np.testing.assert_array_equal(np.asarray(made.outputs[3]) > 0.5, XOR_Y > 0.5)
    assert "Linearly separable" in pages["xor-by-hand"].data["solved"]["the_hidden_layer_has_made_it_separable"]
    assert "Not linearly separable" in pages["xor-by-hand"].data["task"]


def test_a_step_on_a_digit_lowers_its_loss(pages):
    data = pages["forward-and-backward"].data
    before, after = data["update,_W_←_W_−_0.1_∂L/∂W"]["probability_of_the_digit"].split(" → ")
    assert float(after) > float(before)
    assert [row["shape"] for row in data["forward"]] == [[784], [128], [128], [128], [128], [10], [10]]
    assert data["in_all"]["forward"] == 784 * 128 + 128 * 128 + 1280
    assert data["in_all"]["backward"] == 784 * 128 + 2 * 128 * 128 + 2 * 1280


@pytest.mark.parametrize("name", WALKTHROUGHS)
def test_text_markdown_and_json(pages, name):
    page = pages[name]
    assert page.title in str(page)
    assert page.markdown().startswith(f"# {page.title}")
    json.dumps(page.data, allow_nan=False)


def test_the_command_and_a_slip(tmp_path):
    shown = CliRunner().invoke(main, ["lesson", "and-by-hand", "--figure", str(tmp_path / "and.svg")])
    assert shown.exit_code == 0
    assert "(0.5, 0.5)" in shown.stdout
    assert (tmp_path / "and.svg").exists()
    with pytest.raises(UnknownName, match="'xor-by-hand'"):
        walk_through("xor-by-hnd")
