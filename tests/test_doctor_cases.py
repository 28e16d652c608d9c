"""Every feature that the format of the doctor's cases documents is translated, also those that no present case uses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmarks.doctor_cases import CannotTranslate, Case, arrays_of, loss_of, network_of, optimizer_of, run_of
from benchmarks.doctor_cases.run import regularizer_of

ZEROS, GLOROT = {"init": "zeros"}, {"init": "glorot_uniform"}


def dense(units, activation="linear", **more):
    layer = {"type": "dense", "units": units, "activation": activation, "use_bias": True}
    return layer | {"weights": GLOROT, "biases": ZEROS} | more


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Small data of every shape."""
    folder, rng = tmp_path_factory.mktemp("cases"), np.random.default_rng(0)
    shapes = {"table": (6,), "image": (6, 6), "channels": (2, 6, 6), "series": (5, 2)}
    for name, shape in shapes.items():
        for kind, classes in (("two", 2), ("three", 3), ("bits", 2)):
            size = (32, 3) if kind == "bits" else (32,)
            y = {part: rng.integers(0, classes, size) for part in ("train", "test")}
            x = {part: rng.normal(size=(32, *shape)) for part in ("train", "test")}
            np.savez(
                folder / f"{name}_{kind}.npz",
                x_train=x["train"],
                y_train=y["train"],
                x_test=x["test"],
                y_test=y["test"],
            )
    return folder


@pytest.fixture
def case(folder):
    def build(task="binary", x="table", network=None, loss="binary_cross_entropy", data=None, **changes):
        y = {"multiclass": "three", "multilabel": "bits"}.get(task, "two")
        program = {
            "task": task,
            "data": {"file": f"{x}_{y}.npz"} | (data or {}),
            "loss": loss,
            "network": network or [dense(1, "sigmoid")],
            "epochs": 1,
            "batch_size": 16,
            "shuffle": True,
            "optimizer": {"name": "sgd", "learning_rate": 0.1},
            "metric": "accuracy",
        } | changes
        return Case("made", "injected", program, None, (), (), folder)

    return build


CONV = {
    "type": "conv2d",
    "filters": 2,
    "kernel": 3,
    "stride": 2,
    "padding": "same",
    "activation": "relu",
    "weights": {"init": "he_normal"},
    "biases": {"init": "constant", "value": 0.1},
}
LSTM = {"type": "lstm", "units": 3, "weights": GLOROT, "recurrent": {"init": "orthogonal", "gain": 2.0}}
RNN = LSTM | {"type": "simple_rnn", "activation": "relu", "biases": ZEROS}
FLAT = {"type": "flatten"}
END, ENDS = dense(1, "sigmoid"), dense(3, "softmax")
NORM = {"type": "batch_norm", "momentum": 0.5, "update_statistics": False}
NETWORKS = {
    "frozen dense, no bias, dropout": (
        "table",
        [dense(4, "elu", trainable=False), {"type": "dropout", "rate": 0.5}, dense(4, "tanh", use_bias=False), END],
    ),
    "frozen batch norm": (
        "table",
        [dense(4), NORM | {"trainable": False}, {"type": "activation", "activation": "relu"}, dense(4), NORM, END],
    ),
    "convolution": ("channels", [CONV, {"type": "max_pool2d", "size": 2}, FLAT, END]),
    "frozen convolution": ("image", [CONV | {"padding": "valid", "trainable": False}, FLAT, END]),
    "lstm": ("series", [LSTM | {"return_sequences": True}, LSTM | {"trainable": False}, END]),
    "rnn": ("series", [RNN | {"return_sequences": True}, RNN | {"activation": "leaky_relu", "alpha": 0.2}, END]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_layers(name, case):
    x, network = NETWORKS[name]
    data = {"channels": 1} if x == "image" else {}
    trained = run_of(case(x=x, network=network, data=data))
    assert trained.history.steps_made == 2
    assert trained.stopped == "epochs"
    if name == "convolution":  # channel, row, column as stored becomes row, column, channel
        assert trained.facts.input_shape == (6, 6, 2)
    if name == "frozen batch norm":
        assert trained.params[1] == {}


INITIALISERS = [
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_normal",
    "lecun_uniform",
    "zeros",
    "ones",
    {"init": "constant", "value": 0.3},
    {"init": "uniform", "limit": 0.2},
    {"init": "normal", "std": 0.2},
    {"init": "truncated_normal", "std": 0.2},
    {"init": "orthogonal", "gain": 0.5},
    {"init": "normal", "std": 0},
]
ACTIVATIONS = [
    "linear",
    "relu",
    "elu",
    "selu",
    "tanh",
    "sigmoid",
    "hard_sigmoid",
    "softplus",
    "softsign",
    "softmax",
    "step",
    "leaky_relu",
]


def test_initialisers_and_activations():
    for given in INITIALISERS:
        settings = given if isinstance(given, dict) else {"init": given}
        network = network_of([dense(4, weights=settings), LSTM | {"weights": settings, "recurrent": settings}][:1])
        params, _, _ = network.init(jax.random.key(0), (4,))
        assert np.isfinite(params[0]["weights"]).all()
    z = jnp.asarray([[-2.0, 1.0]])
    for name in ACTIVATIONS:
        layer = network_of(
            [
                {"type": "activation", "activation": name, "alpha": 0.5}
                if name == "leaky_relu"
                else {"type": "activation", "activation": name}
            ]
        )
        outputs = layer.forward(({},), ({},), z).outputs[-1]
        assert outputs.shape == z.shape
        if name == "leaky_relu":
            assert outputs.tolist() == [[-1.0, 1.0]]


LOSSES = [
    ("binary", [END], "mean_squared_error"),
    ("binary", [END], "mean_absolute_error"),
    ("binary", [dense(1, "relu")], "binary_cross_entropy"),
    ("binary", [dense(1)], "binary_cross_entropy_from_logits"),
    ("binary", [dense(1, "tanh")], "hinge"),
    ("binary", [dense(1)], "squared_hinge"),
    ("multiclass", [ENDS], "categorical_cross_entropy"),
    ("multiclass", [dense(3)], "categorical_cross_entropy"),
    ("multiclass", [ENDS], "sparse_categorical_cross_entropy"),
    ("multiclass", [dense(3, "sigmoid")], "sparse_categorical_cross_entropy"),
    ("multiclass", [dense(3)], "categorical_cross_entropy_from_logits"),
    ("multiclass", [dense(3)], "sparse_categorical_cross_entropy_from_logits"),
    ("multiclass", [dense(3)], "categorical_hinge"),
    ("multiclass", [ENDS], "kl_divergence"),
    ("multiclass", [ENDS], "negative_log_of_output"),
    ("multilabel", [dense(3, "sigmoid")], "binary_cross_entropy"),
    ("regression", [dense(1)], "mean_squared_error"),
    ("perceptron", [dense(1, "step")], "perceptron"),
]
OPTIONS = [{}, {"reduction": "sum"}, {"raw_log": True}, {"softmax_axis": "batch"}, {"target_rank": 1}]


@pytest.mark.parametrize(("task", "network", "loss"), LOSSES, ids=lambda item: item if isinstance(item, str) else "")
def test_every_loss_with_every_option_has_a_value_and_its_gradient(task, network, loss, float64):
    rng = np.random.default_rng(1)
    outputs = network[-1]["units"]
    prediction = jnp.asarray(rng.uniform(0.1, 0.9, (6, outputs)))
    labels = rng.integers(0, max(outputs, 2), 6)
    for options in OPTIONS:
        program = {"loss": loss, "loss_options": options, "network": network}
        try:
            built = loss_of(program)
        except CannotTranslate:
            assert options.get("target_rank") == 1
            continue
        target = {
            "classes": jnp.asarray(labels),
            "one_hot": jnp.eye(max(outputs, 2))[labels],
            "numbers": jnp.asarray(rng.integers(0, 2, (6, outputs)), jnp.float64),
        }[built.target_kind]
        value = built.value(prediction, target)
        assert value.shape == (6,)
        assert np.isfinite(value).all()
        if loss not in ("perceptron", "mean_absolute_error"):
            derived = jax.grad(lambda p, loss=built, y=target: loss.value(p, y).sum())(prediction)
            np.testing.assert_allclose(built.gradient(prediction, target), derived, atol=1e-6)


TRAINED = [("binary", [dense(1)], "squared_hinge"), *LOSSES[9:10], *LOSSES[13:14], *LOSSES[15:16]]
"""Those whose targets or metric take a way of their own."""


@pytest.mark.parametrize(("task", "network", "loss"), TRAINED, ids=lambda item: item if isinstance(item, str) else "")
def test_losses_train(task, network, loss, case):
    assert run_of(case(task, network=network, loss=loss)).history.steps_made == 2


def test_cross_entropy_of_raw_outputs_stops_learning_outside_the_clipped_range():
    """As in Keras and with torch.clamp: an output above 1 or below 0 has no gradient."""
    torch = pytest.importorskip("torch")
    loss = loss_of({"loss": "binary_cross_entropy", "network": [dense(1)]})
    values, labels = [[-0.5], [0.2], [0.9], [1.5]], [[1.0], [1.0], [0.0], [0.0]]
    p = torch.tensor(values, requires_grad=True)
    theirs = torch.nn.functional.binary_cross_entropy(p.clamp(1e-7, 1 - 1e-7), torch.tensor(labels), reduction="sum")
    theirs.backward()
    np.testing.assert_allclose(loss.gradient(jnp.asarray(values), jnp.asarray(labels)), p.grad.numpy(), rtol=1e-5)


OPTIMISERS = [
    {"name": "sgd", "momentum": 0.9},
    {"name": "sgd", "momentum": 0.9, "nesterov": True},
    {"name": "sgd", "momentum": 1.2},
    {"name": "sgd", "clip_norm": 1.0},
    {"name": "adam", "beta1": 0.5, "beta2": 0.9, "epsilon": 0.1, "clip_value": 0.5},
    {"name": "nadam"},
    {"name": "adamax"},
    {"name": "rmsprop", "rho": 0.8, "momentum": 0.5},
    {"name": "rmsprop"},
    {"name": "adagrad", "initial_accumulator": 0.1, "epsilon": 1e-7},
    {"name": "adadelta", "rho": 0.9},
    {"name": "perceptron"},
    {"name": "averaged_perceptron"},
    {"name": "adam", "learning_rate": -0.1},
    {"name": "sgd", "learning_rate": 0.0},
]


@pytest.mark.parametrize("settings", OPTIMISERS, ids=str)
def test_optimisers_make_steps(settings):
    """A rate below 0 climbs, one of 0 stays, momentum above 1 is carried as it is."""
    rule = optimizer_of({"learning_rate": 0.1} | settings)
    w = {"weights": jnp.asarray([1.0, -2.0])}
    state = rule.init(w)
    after = rule.update(w, state, w).params["weights"]
    rate = settings.get("learning_rate", 0.1)
    assert np.sign(1 - float(after[0])) == np.sign(rate) or rate == 0
    for field, value in settings.items():
        held = getattr(state.rule, {"rho": "decay"}.get(field, field), None)
        if isinstance(value, float) and value:
            np.testing.assert_allclose(held, value, rtol=1e-6)


def test_penalties_of_layers_and_of_all_kernels():
    def rule(first, common=None):
        network = [dense(4, "relu", weights=GLOROT | first), END]
        return regularizer_of({"network": network, "regularization": common}, network_of(network))

    assert rule({}) is None
    own = rule({"l1": 0.01})
    assert (own.layers, float(own.l2)) == (("dense_1",), 0)
    assert float(own.l1) == pytest.approx(0.01)
    everywhere = rule({}, {"l2": 0.1})
    assert everywhere.layers is None
    assert float(everywhere.l2) == pytest.approx(0.1)
    with pytest.raises(CannotTranslate, match="different penalties"):
        rule({"l2": 0.01}, {"l2": 0.1})


STEPS = [
    {"op": "divide", "by": 2.0},
    {"op": "multiply", "by": 2.0, "target": "y"},
    {"op": "add", "value": 1.0, "only": "test"},
    {"op": "add", "value": 5.0},
    {"op": "log1p", "target": "y"},
    {"op": "clip", "low": -1.0, "high": 1.0},
    {"op": "standardise", "only": "train"},
    {"op": "min_max", "low": -1.0, "high": 1.0},
    {"op": "impute_mean"},
    {"op": "drop_non_finite_rows"},
    {"op": "keep_columns", "columns": [0, 2]},
    {"op": "reverse_columns"},
    {"op": "oversample"},
]


def test_data_steps(case, folder):
    before = arrays_of(case())
    after = {step["op"] + step.get("only", ""): arrays_of(case(data={"transform": [step]})) for step in STEPS}
    np.testing.assert_allclose(after["divide"]["x_test"], before["x_test"] / 2)
    np.testing.assert_allclose(after["multiply"]["y_train"], before["y_train"] * 2)
    np.testing.assert_allclose(after["addtest"]["x_train"], before["x_train"])
    np.testing.assert_allclose(after["addtest"]["x_test"], before["x_test"] + 1)
    np.testing.assert_allclose(after["standardisetrain"]["x_train"].std(0), 1, rtol=1e-4)
    np.testing.assert_allclose(after["min_max"]["x_train"].min(0), -1)
    np.testing.assert_array_equal(after["keep_columns"]["x_train"], before["x_train"][:, [0, 2]])
    np.testing.assert_array_equal(after["reverse_columns"]["x_test"], before["x_test"][:, ::-1])
    assert np.ptp(np.bincount(after["oversample"]["y_train"].astype(int))) == 0
    holes = dict(np.load(folder / "table_two.npz"))
    holes["x_train"] = holes["x_train"].copy()
    holes["x_train"][0, 0] = np.nan
    np.savez(folder / "holes.npz", **holes)
    filled = arrays_of(case(data={"file": "holes.npz", "transform": [{"op": "impute_mean"}]}))["x_train"]
    np.testing.assert_allclose(filled[0, 0], filled[1:, 0].mean(), rtol=1e-5)
    dropped = arrays_of(case(data={"file": "holes.npz", "transform": [{"op": "drop_non_finite_rows"}]}))
    assert (len(dropped["x_train"]), len(dropped["y_train"]), len(dropped["x_test"])) == (31, 31, 32)
    cut = arrays_of(case(data={"train_rows": 20, "test_rows": 5}))
    assert (len(cut["x_train"]), len(cut["y_test"])) == (20, 5)
    assert arrays_of(case(x="image", data={"flatten": True}))["x_train"].shape == (32, 36)
    with pytest.raises(CannotTranslate, match="unheard_of"):
        arrays_of(case(data={"transform": [{"op": "unheard_of"}]}))


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("binary", {"class_weights": "balanced", "shuffle": False, "threshold": 0.3}),
        (
            "perceptron",
            {
                "network": [dense(1, "step")],
                "loss": "perceptron",
                "optimizer": {"name": "averaged_perceptron", "learning_rate": 1.0},
            },
        ),
        ("binary", {"network": [dense(2, "softmax")], "loss": "categorical_cross_entropy", "data": {"one_hot": True}}),
        (
            "multiclass",
            {
                "network": [dense(1)],
                "loss": "mean_squared_error",
                "data": {"transform": [{"op": "divide", "by": 2.0, "target": "y"}]},
            },
        ),
        ("regression", {"network": [dense(1)], "loss": "mean_squared_error", "loss_options": {"target_rank": 1}}),
    ],
)
def test_whole_programs(task, changes, case):
    assert run_of(case(task, **changes)).history.steps_made == 2


def test_scaled_class_numbers_stay_numbers(case):
    half = [{"op": "divide", "by": 2.0, "target": "y"}]
    made = run_of(case("multiclass", network=[dense(1)], loss="mean_squared_error", data={"transform": half}))
    assert sorted(set(np.asarray(made.training.train.y).ravel().tolist())) == [0.0, 0.5, 1.0]


def test_gan(case):
    adam = {"name": "adam", "learning_rate": 0.01}
    network = {"generator": [dense(6)], "discriminator": [dense(1)]}
    program = {
        "network": network,
        "loss": "gan",
        "latent": 2,
        "steps": 3,
        "discriminator_steps": 2,
        "optimizer": {"generator": adam, "discriminator": adam | {"learning_rate": 0.1}},
    }
    made = run_of(case("gan", **program))
    assert made.adversarial
    assert made.experiment.critic_optimizer["learning_rate"] == 0.1
    assert made.experiment.critic_steps == 2
    with pytest.raises(CannotTranslate, match="packs"):
        run_of(case("gan", **program | {"network": network | {"pack": 8}}))


def test_what_has_no_counterpart_is_said(case):
    for changes in (
        {"network": [{"type": "attention"}]},
        {"optimizer": {"name": "lookahead", "learning_rate": 0.1}},
        {"loss": "dice"},
        {"x": "series", "network": [LSTM | {"activation": "relu"}, END]},
    ):
        with pytest.raises(CannotTranslate):
            run_of(case(**changes))


@pytest.mark.parametrize("activation", ["linear", "softmax"])
def test_a_softmax_over_the_batch_takes_no_layer_of_weights_away(activation, case):
    """With or without an activation to put aside, the penalties find each kernel that the program describes."""
    layers = [dense(4, "relu"), dense(3, activation)]
    made = network_of(layers, batch_softmax=True)
    assert [layer.name for layer in made.layers] == ["dense", "activation", "dense", "batch_softmax"]
    options = {"loss_options": {"softmax_axis": "batch"}, "regularization": {"l1": 0.0, "l2": 0.01}}
    loss = "categorical_cross_entropy" + "_from_logits" * (activation == "linear")
    run = run_of(case("multiclass", network=layers, loss=loss, data={"one_hot": True}, **options))
    assert np.isfinite(run.history.step_rows).all()


def test_targets_that_broadcast_give_a_loss_for_each_example_also_of_several_places():
    """Every output at every place is compared with the targets of all: one number an example comes of it."""
    settings = {"loss": "mean_squared_error", "loss_options": {"target_rank": 1}, "network": [{"type": "flatten"}]}
    loss = loss_of(settings)
    prediction, target = jnp.arange(12.0).reshape(4, 3, 1), jnp.array([[0.0], [1.0], [2.0], [5.0]])
    expected = ((np.arange(12.0).reshape(4, 3, 1) - np.array([0.0, 1.0, 2.0, 5.0])) ** 2).mean((1, 2))
    np.testing.assert_allclose(loss.value(prediction, target), expected)
    assert loss.gradient(prediction, target).shape == prediction.shape
