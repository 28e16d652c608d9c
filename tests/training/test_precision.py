"""Whole trainings in float64 and bfloat16: against PyTorch, against float32, saved, resumed and opened."""

import jax
import numpy as np
import pytest

import pellucid as pel
from every_kind import CONVOLUTION, DATA, RECURRENT
from pellucid.core.errors import InvalidValue

NOISY = {
    "regularizer": {"name": "elastic_net"},
    "record": ("activations", "gradients", "updates", "weights", "noise"),
    "histograms_every": 4,
    "dropout": 0.2,
    "early_stopping": 20,
}
KINDS = {
    "regularised": ((8,), DATA["multiclass"], NOISY),
    "convolution": (CONVOLUTION, DATA["images"], {"class_weights": "balanced"}),
    "recurrent": (RECURRENT, DATA["sequences"], {}),
    "autoencoder": ({"name": "autoencoder", "code": 2}, DATA["regression"], {}),
    "gan": ({"name": "wgan", "latent": 4}, DATA["regression"], {"batch_size": 8, "critic_steps": 2}),
}
CASES = [("float64", kind) for kind in KINDS] + [("bfloat16", "convolution")]


def dtypes(*trees):
    return {leaf.dtype.name for leaf in jax.tree.leaves(trees) if leaf.dtype.kind == "f"}


@pytest.mark.parametrize(("precision", "kind"), CASES)
def test_is_saved_resumed_and_opened(precision, kind, tmp_path):
    network, data, settings = KINDS[kind]
    settings = {"batch_size": 16, "record_every": 2, "precision": precision, "progress": False} | settings
    whole = pel.train(network, data, epochs=3, **settings)
    pel.train(network, data, epochs=2, folder=tmp_path / "run", **settings)
    resumed = pel.resume(tmp_path / "run", data, epochs=3, progress=False)
    state = resumed.training.state
    assert dtypes(state.params, state.layer_state, state.optimizer, state.regularizer) == {
        "float64" if precision == "float64" else "float32"
    }
    loaded = pel.load(tmp_path / "run")
    for again in (resumed, loaded):
        jax.tree.map(np.testing.assert_array_equal, again.params, whole.params)
        assert again.result == whole.result
    x = data.held_out.x if kind != "gan" else data.train.x
    if kind == "gan":
        np.testing.assert_array_equal(loaded.sample(3), whole.sample(3))
        assert loaded.explain(x[0]).worst_error < 1e-6
    else:
        outputs = loaded.outputs(x)
        assert outputs.dtype == ("float64" if precision == "float64" else "float32")
        np.testing.assert_array_equal(outputs, whole.outputs(x))
        y = None if kind == "autoencoder" else whole.predict(x)[0]
        assert loaded.explain(x[0], y).worst_error < 1e-6
    assert loaded.diagnose(data) is not None
    assert not jax.config.jax_enable_x64


def test_float64_leaves_float32_as_it_is():
    settings = {"network": (8,), "data": pel.load_dataset("iris"), "epochs": 2, "progress": False}
    before = pel.train(**settings)
    pel.train(**settings, precision="float64")
    jax.tree.map(np.testing.assert_array_equal, pel.train(**settings).params, before.params)


def test_many_at_once_and_folds_differ_from_float32_by_rounding():
    iris = pel.load_dataset("iris")
    over = {"precision": ["float32", "float64", "bfloat16"]}
    compared = pel.compare(iris, over, network=(8,), seeds=2, epochs=3, progress=False)
    losses = compared.values("held_out_loss")
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    np.testing.assert_allclose(losses[2], losses[0], rtol=0.02)
    folds = [
        pel.cross_validate((8,), iris, folds=3, epochs=2, progress=False, precision=precision)
        for precision in ("float32", "float64")
    ]
    first, second = (folded.values("held_out_loss") for folded in folds)
    np.testing.assert_allclose(second, first, rtol=1e-5)


def test_float64_follows_pytorch():
    torch = pytest.importorskip("torch")
    digits = pel.load_dataset("digits")
    network = pel.Network(pel.Dense(16), pel.BatchNorm(), pel.Activation("tanh"), pel.Dense(10, "softmax"))
    run = pel.train(
        network, digits, precision="float64", optimizer=pel.Adam(0.01), epochs=3, batch_size=100, shuffle=False,
        regularizer={"name": "l2", "strength": 1e-3}, snapshots=2, progress=False,
    )  # fmt: skip
    first = run.snapshots[0].params
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 16), torch.nn.BatchNorm1d(16), torch.nn.Tanh(), torch.nn.Linear(16, 10)
    ).double()
    maps = [i for i, of_layer in enumerate(first) if "weights" in of_layer]
    for linear, i in zip((model[0], model[3]), maps, strict=True):
        linear.weight.data = torch.tensor(np.array(first[i]["weights"]).T.copy())
        linear.bias.data = torch.tensor(np.array(first[i]["biases"]))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    train, scaling = run.training.train, run.training.scaling
    x = (np.asarray(train.x, np.float64) - np.asarray(scaling.shift)) * np.asarray(scaling.scale)
    x, y = torch.tensor(x.reshape(len(x), -1)), torch.tensor(np.asarray(train.y)).long()
    for _ in range(3):
        for rows in torch.arange(len(x)).split(100):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            for linear in (model[0], model[3]):
                linear.weight.grad += 2e-3 * linear.weight.data
            optimizer.step()
    for linear, i in zip((model[0], model[3]), maps, strict=True):
        np.testing.assert_allclose(run.params[i]["weights"], linear.weight.detach().T, rtol=1e-9, atol=1e-10)
        if i == maps[-1]:  # before a normalisation the biases' gradient is rounding alone
            np.testing.assert_allclose(run.params[i]["biases"], linear.bias.detach(), rtol=1e-9, atol=1e-10)


def test_bfloat16_learns_as_float32_does():
    """Over a thousand steps the loss keeps to that of float32, and unseen rows are told apart as well."""
    digits = pel.load_dataset("digits")
    settings = {"epochs": 25, "batch_size": 32, "progress": False}
    single, reduced = (pel.train((32,), digits, precision=p, **settings) for p in ("float32", "bfloat16"))
    losses = single.history.epochs["loss"], reduced.history.epochs["loss"]
    assert single.history.steps_made > 1000
    np.testing.assert_allclose(losses[1][-1], losses[0][-1], rtol=0.05)
    accuracy, rows = single.result["accuracy"], len(digits.held_out.x)
    assert abs(reduced.result["accuracy"] - accuracy) <= 3 * np.sqrt(accuracy * (1 - accuracy) / rows)


def test_another_precision_is_refused():
    with pytest.raises(InvalidValue, match=r"precision.*float32.*bfloat16.*float64.*float16"):
        pel.train((8,), pel.load_dataset("iris"), precision="float16", progress=False)
