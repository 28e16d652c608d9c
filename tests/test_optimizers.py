"""Every optimiser against the same laws, and 100 steps of the whole network against PyTorch and Optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from pellucid.core.errors import InvalidValue
from pellucid.core.registry import describe
from pellucid.functions.losses import losses
from pellucid.functions.regularizers import regularizers
from pellucid.functions.schedules import schedules
from pellucid.layers import Dense
from pellucid.network import Network, backpropagate
from pellucid.optimizers import (
    SGD,
    Adam,
    AdamW,
    FromOptax,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    RAdam,
    RMSprop,
    as_optimizer,
    optimizers,
)

torch = pytest.importorskip("torch")
every_optimizer = pytest.mark.parametrize("name", list(optimizers))

L2 = 1e-3
ORACLES = {
    "gradient_descent": (
        optimizers.build({"name": "gradient_descent", "learning_rate": 0.1}),
        lambda p, d: torch.optim.SGD(p, 0.1, weight_decay=d),
    ),
    "sgd": (SGD(0.1), lambda p, d: torch.optim.SGD(p, 0.1, weight_decay=d)),
    # v ← β v + (1 − β) g at the rate α moves as v ← β v + g does at the rate α (1 − β).
    "momentum, average": (
        Momentum(0.2, momentum=0.9),
        lambda p, d: torch.optim.SGD(p, 0.2 * (1 - 0.9), momentum=0.9, weight_decay=d),
    ),
    "momentum, sum": (
        Momentum(0.02, momentum=0.9, average=False),
        lambda p, d: torch.optim.SGD(p, 0.02, momentum=0.9, weight_decay=d),
    ),
    "nesterov": (
        Nesterov(0.02, momentum=0.9),
        lambda p, d: torch.optim.SGD(p, 0.02, momentum=0.9, nesterov=True, weight_decay=d),
    ),
    "rmsprop": (
        RMSprop(0.001, decay=0.9, epsilon=1e-8),
        lambda p, d: torch.optim.RMSprop(p, 0.001, alpha=0.9, eps=1e-8, weight_decay=d),
    ),
    "rmsprop, momentum": (
        RMSprop(0.001, decay=0.9, epsilon=1e-8, momentum=0.8),
        lambda p, d: torch.optim.RMSprop(p, 0.001, alpha=0.9, eps=1e-8, momentum=0.8, weight_decay=d),
    ),
    "adam": (Adam(0.001), lambda p, d: torch.optim.Adam(p, 0.001, weight_decay=d)),
    "adagrad": (
        optimizers.build({"name": "adagrad", "learning_rate": 0.01}),
        lambda p, d: torch.optim.Adagrad(p, 0.01, weight_decay=d),
    ),
    "adadelta": (
        optimizers.build("adadelta"),
        lambda p, d: torch.optim.Adadelta(p, 1.0, rho=0.9, eps=1e-6, weight_decay=d),
    ),
    "adagrad, begun at 0.1": (
        optimizers.build({"name": "adagrad", "initial_accumulator": 0.1}),
        lambda p, d: torch.optim.Adagrad(p, 0.01, initial_accumulator_value=0.1, weight_decay=d),
    ),
    "adamax": (optimizers.build("adamax"), lambda p, d: torch.optim.Adamax(p, 0.002, weight_decay=d)),
    # PyTorch adds ε to √v, before its correction: without ε both are the same.
    "radam": (RAdam(0.001, epsilon=1e-30), lambda p, d: torch.optim.RAdam(p, 0.001, eps=1e-30, weight_decay=d)),
    "adamw": (AdamW(0.001, weight_decay=0.05), lambda p, d: torch.optim.AdamW(p, 0.001, weight_decay=0.05 + 0 * d)),
}


@pytest.mark.parametrize("penalty", [None, L2], ids=["plain", "with L2"])
@pytest.mark.parametrize("name", list(ORACLES))
def test_100_steps_follow_pytorch(name, penalty, float64, rng):
    """Same weights, same batches, float64: all parameters agree to 1e-9 after each of 100 steps."""
    optimizer, make_oracle = ORACLES[name]
    if name == "adamw" and penalty:
        pytest.skip("AdamW's decay is its own; PyTorch has no L2 beside it")
    network = Network(Dense(16, "relu"), Dense(16, "tanh"), Dense(10, "softmax"))
    params, state, _ = network.init(jax.random.key(0), (20,))
    params = jax.tree.map(lambda w: w.astype(jnp.float64), params)
    regularizer = None if penalty is None else regularizers.build({"name": "l2", "strength": penalty})
    x, y = rng.normal(size=(320, 20)), rng.integers(0, 10, 320)

    weights = [torch.tensor(np.asarray(p[k]), requires_grad=True) for p in params for k in p if k == "weights"]
    biases = [torch.tensor(np.asarray(p[k]), requires_grad=True) for p in params for k in p if k == "biases"]
    oracle = make_oracle([{"params": weights, "weight_decay": 2 * (penalty or 0)}, {"params": biases}], 0)
    if name == "adamw":
        oracle = make_oracle([{"params": weights + biases}], 0)

    @jax.jit
    def step(params, optimizer_state, x, y):
        pass_ = backpropagate(
            network, losses.build("sparse_categorical_cross_entropy"), params, state, x, y, jnp.ones(len(x))
        )
        grads = pass_.grads
        if regularizer is not None:
            grads = tuple(
                {k: g + regularizer.gradient(p[k]) if k == "weights" else g for k, g in layer.items()}
                for layer, p in zip(grads, params, strict=True)
            )
        update = optimizer.update(grads, optimizer_state, params)
        return update.params, update.state

    optimizer_state = optimizer.init(params)
    for i in range(100):
        rows = slice(32 * (i % 10), 32 * (i % 10) + 32)
        params, optimizer_state = step(params, optimizer_state, jnp.asarray(x[rows]), jnp.asarray(y[rows]))
        oracle.zero_grad()
        a = torch.tensor(x[rows])
        for W, b, f in zip(weights, biases, (torch.relu, torch.tanh, lambda z: z), strict=True):
            a = f(a @ W + b)
        torch.nn.functional.cross_entropy(a, torch.tensor(y[rows])).backward()
        oracle.step()
        ours = [p[k] for k in ("weights", "biases") for p in params if k in p]
        for array, tensor in zip(ours, weights + biases, strict=True):
            expected = tensor.detach().numpy()
            scale = np.abs(expected).max()
            np.testing.assert_allclose(array, expected, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SGD(0.1), optax.sgd(0.1)),
        (Momentum(0.1, average=False), optax.sgd(0.1, momentum=0.9)),
        (Nesterov(0.1), optax.sgd(0.1, momentum=0.9, nesterov=True)),
        (Adam(0.01), optax.adam(0.01)),
        (NAdam(0.01), optax.nadam(0.01)),
        (AdamW(0.01, weight_decay=0.1), optax.adamw(0.01, weight_decay=0.1)),
        (RAdam(0.01), optax.radam(0.01)),
        (RAdam(0.01, beta2=0.9), optax.radam(0.01, b2=0.9)),
        (Lion(0.01, weight_decay=0.1), optax.lion(0.01, weight_decay=0.1)),
        (SGD(0.1, clip_norm=0.5), optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1))),
        (SGD(0.1, clip_value=0.2), optax.chain(optax.clip(0.2), optax.sgd(0.1))),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_follows_optax(ours, theirs, float64, rng):
    params = {"a": jnp.asarray(rng.normal(size=(4, 3))), "b": jnp.ones(3, jnp.float64)}
    accepted = as_optimizer(theirs)
    assert isinstance(accepted, FromOptax)
    mine, its = (params, ours.init(params)), (params, accepted.init(params))
    for _ in range(30):
        grads = jax.tree.map(lambda w: jnp.asarray(rng.normal(size=w.shape)), params)
        update = ours.update(grads, mine[1], mine[0])
        other = accepted.update(grads, its[1], its[0])
        mine, its = (update.params, update.state), (other.params, other.state)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), mine[0], its[0])


RATE = 0.01
FIRST = {"weights": True, "biases": False}
OPTAX = {
    **{
        name: getattr(optax, name)(RATE)
        for name in (
            "adabelief",
            "adadelta",
            "adafactor",
            "adagrad",
            "adam",
            "adamax",
            "adamaxw",
            "adamw",
            "adan",
            "amsgrad",
            "fromage",
            "lamb",
            "lars",
            "lion",
            "nadam",
            "nadamw",
            "novograd",
            "optimistic_adam_v2",
            "radam",
            "rmsprop",
            "rprop",
            "sgd",
            "sign_sgd",
            "signum",
            "sm3",
            "yogi",
        )
    },
    **{
        f"contrib.{name}": getattr(optax.contrib, name)(RATE)
        for name in (
            "acprop",
            "ademamix",
            "adopt",
            "cocob",
            "dadapt_adamw",
            "dog",
            "madgrad",
            "muon",
            "prodigy",
            "schedule_free_adamw",
            "schedule_free_sgd",
            "simplified_ademamix",
        )
    },
    "noisy_sgd": optax.noisy_sgd(RATE, key=0),
    "sgd with momentum": optax.sgd(RATE, 0.9, nesterov=True),
    "optimistic_gradient_descent": optax.optimistic_gradient_descent(RATE),
    "lbfgs without a line search": optax.lbfgs(RATE, linesearch=None),
    "sam": optax.contrib.sam(optax.sgd(RATE), optax.sgd(RATE)),
    "mechanize": optax.contrib.mechanize(optax.sgd(RATE)),
    "MultiSteps": optax.MultiSteps(optax.adam(RATE), 2),
    "MultiSteps as a transformation": optax.MultiSteps(optax.adam(RATE), 2).gradient_transformation(),
    "apply_every": optax.chain(optax.apply_every(2), optax.sgd(RATE)),
    "schedule": optax.sgd(optax.cosine_decay_schedule(RATE, 20)),
    "clipped chain": optax.chain(optax.clip_by_global_norm(0.1), optax.adam(optax.linear_schedule(RATE, 0.0, 9))),
    "inject_hyperparams": optax.inject_hyperparams(optax.adamw)(learning_rate=RATE),
    "masked": optax.masked(optax.sgd(RATE), lambda params: jax.tree.map(lambda w: w.ndim > 1, params)),
    "weight decay by a tree": optax.adamw(RATE, mask=(FIRST, {}, FIRST)),
    "partition": optax.partition({True: optax.sgd(RATE), False: optax.set_to_zero()}, (FIRST, {}, FIRST)),
    "apply_if_finite": optax.apply_if_finite(optax.adam(RATE), 3),
    "ema": optax.chain(optax.adam(RATE), optax.ema(0.9)),
    "add_noise": optax.chain(optax.add_noise(0.1, 0.5, key=0), optax.sgd(RATE)),
    "adaptive_grad_clip": optax.chain(optax.adaptive_grad_clip(0.1), optax.sgd(RATE)),
    "normalize": optax.chain(optax.contrib.normalize(), optax.sgd(RATE)),
}
REFUSED = {
    "lbfgs": (optax.lbfgs(), r"needs 'value', 'grad', and 'value_fn'.*Use optax\.lbfgs\(0\.1, linesearch=None\)"),
    "reduce_on_plateau": (
        optax.chain(optax.sgd(RATE), optax.contrib.reduce_on_plateau()),
        r"reduce_on_plateau needs 'value'.*Use Adam\(OnPlateau\(0\.001\)\)",
    ),
    "polyak_sgd": (optax.polyak_sgd(), "needs 'value'.*Use optax.sgd"),
    "backtracking": (optax.scale_by_backtracking_linesearch(3), "needs 'value'.*Use a learning rate"),
    "momo": (optax.contrib.momo(), "momo needs 'value'.*Use \"adam\""),
    "sophia": (optax.contrib.sophia(RATE), 'obj_fn must be provided.*Use "adam"'),
    "lookahead": (optax.lookahead(optax.sgd(RATE), 5, 0.5), "fast.*Use its inner optimizer alone"),
    "a mask of other layers": (optax.adamw(RATE, mask={"weights": True}), "tuple with one dictionary"),
}
NETWORK = Network(Dense(4, "relu"), Dense(1))
"""The network whose parameters the optimisers of Optax are given."""


@pytest.mark.parametrize("x64", [False, True], ids=["float32", "x64"])
def test_every_optax_optimizer_takes_a_network(x64):
    """Parameters and state keep shapes and dtypes, so that a training can loop over the updates."""
    with jax.enable_x64(x64):
        params, _, _ = NETWORK.init(jax.random.key(0), (3,))
        for name, transformation in OPTAX.items():
            rule = as_optimizer(transformation)
            state = jax.eval_shape(rule.init, params)
            update = jax.eval_shape(rule.update, params, state, params)
            assert (update.params, update.state) == (jax.eval_shape(lambda: params), state), name


def test_optax_optimizers_move_a_network_as_optax_does():
    """Two updates of each: the parameters that `optax.apply_updates` gives, and the rate where Optax tells it."""
    names = ("contrib.muon", "MultiSteps", "inject_hyperparams", "masked", "partition", "apply_if_finite")

    @jax.jit
    def both(params):
        results = {}
        for name in names:
            transformation, expected = OPTAX[name], params
            rule = as_optimizer(transformation)
            state, theirs, update = rule.init(params), transformation.init(params), None
            for _ in range(2):
                update = rule.update(params, state, params if update is None else update.params)
                state = update.state
                with jax.numpy_dtype_promotion("standard"):  # Optax's own code counts on it
                    updates, theirs = transformation.update(params, theirs, expected)
                    expected = optax.apply_updates(expected, updates)
            results[name] = update.params, expected, update.learning_rate
        return results

    params, _, _ = NETWORK.init(jax.random.key(0), (3,))
    for name, (mine, expected, rate) in both(params).items():
        for ours, theirs in zip(*map(jax.tree.leaves, (mine, expected)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7, err_msg=name)
        assert any(np.any(a != b) for a, b in zip(*map(jax.tree.leaves, (mine, params)), strict=True)), name
        assert rate == np.float32(RATE) if name == "inject_hyperparams" else np.isnan(rate), name


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_needs_more_than_gradients_is_refused_with_what_to_use(name):
    transformation, text = REFUSED[name]
    params, _, _ = NETWORK.init(jax.random.key(0), (3,))
    with pytest.raises(InvalidValue, match=text):
        as_optimizer(transformation).init(params)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (optax.adam, r"optax\.adam makes an optimizer: call it"),
        (Adam, r"Adam is a class\. Write Adam\(…\)"),
        ("optax", r"came from Optax.*give it again"),
    ],
)
def test_an_optimizer_that_is_none_says_what_to_write(wrong, text):
    with pytest.raises(InvalidValue, match=text):
        as_optimizer(wrong)


@every_optimizer
def test_goes_downhill_on_a_bowl(name):
    rule = optimizers.build(name)
    w = {"weights": jnp.array([1.0, -2.0])}
    state = rule.init(w)
    step = jax.jit(rule.update)
    for _ in range(300):  # at its default rate Lion moves each weight by 0.0001 a step
        update = step(w, state, w)  # the gradient of ½‖w‖² is w
        w, state = update.params, update.state
    assert float(jnp.abs(w["weights"]).sum()) < 3.0 - 0.05


@every_optimizer
def test_another_value_does_not_recompile(name):
    traces = []

    @jax.jit
    def step(grads, state, params):
        traces.append(1)
        return state.rule.update(grads, state, params)

    w = {"weights": jnp.ones(3)}
    found = [step(w, optimizers.build({"name": name, "learning_rate": rate}).init(w), w) for rate in (0.1, 0.01)]
    assert len(traces) == 1
    assert float(found[0].learning_rate) == pytest.approx(0.1)
    assert float(found[1].learning_rate) == pytest.approx(0.01)


@every_optimizer
def test_many_rates_at_once_by_vmap(name):
    rates = [0.1, 0.01, 0.001]
    w = {"weights": jnp.array([1.0, -2.0])}
    states = [optimizers.build({"name": name, "learning_rate": rate}).init(w) for rate in rates]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    together = jax.vmap(lambda state: state.rule.update(w, state, w).params["weights"])(stacked)
    alone = [state.rule.update(w, state, w).params["weights"] for state in states]
    np.testing.assert_allclose(together, jnp.stack(alone), rtol=1e-6)


@every_optimizer
def test_its_description_builds_it_again(name):
    rule = optimizers.build({"name": name, "learning_rate": 0.123, "clip_norm": 2.0})
    assert optimizers.build(describe(rule)) == rule
    scheduled = optimizers.build(
        {"name": name, "learning_rate": {"name": "cosine_decay", "learning_rate": 0.1, "epochs": 5}}
    )
    assert optimizers.build(describe(scheduled)) == scheduled


@every_optimizer
@pytest.mark.parametrize("rate", [-0.1, 0, float("nan"), float("inf"), "fast", None, True])
def test_refuses_a_rate_that_is_none(name, rate):
    with pytest.raises((InvalidValue, ValueError), match=r"learning_rate|learning-rate|schedule"):
        optimizers.build({"name": name, "learning_rate": rate})


def test_schedule_acts_on_the_rate():
    rule = SGD(schedules.build({"name": "exponential_decay", "learning_rate": 0.1, "factor": 0.5}))
    w = {"weights": jnp.ones(2)}
    update = rule.update(w, rule.init(w), w, progress=jnp.asarray(2.0))
    assert float(update.learning_rate) == pytest.approx(0.025)


def test_momentum_beta_of_one_is_refused():
    with pytest.raises(InvalidValue, match=r"Momentum.momentum.*\[0, 1\).*1.0"):
        Momentum(momentum=1.0)
