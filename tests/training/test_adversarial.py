"""The adversarial program: gradients of both players, lipschitz_constraints, the compiled game against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.core.errors import InvalidValue, TrainingDiverged
from pellucid.core.registry import describe
from pellucid.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten
from pellucid.network import Network
from pellucid.optimizers import SGD, Adam
from pellucid.training import (
    Adversarial,
    GradientPenalty,
    History,
    Recorder,
    Rows,
    Scaling,
    Training,
    WeightClipping,
    advance,
    lipschitz_constraints,
)
from pellucid.training.adversarial import Player, predict
from pellucid.training.lipschitz import between, lengths

ROWS, INPUTS, LATENT = 90, 3, 2
EXAMPLES = np.random.default_rng(4).normal(size=(ROWS, INPUTS))


def program_of(loss="wasserstein", **fields):
    generator = Network(Dense(8, "tanh"), Dense(INPUTS))
    critic = Network(Dense(8, "leaky_relu"), Dense(6, "tanh"), Dense(1))
    given = {"batch_size": 30, "critic_steps": 3, "recorder": Recorder(0)} | fields
    return Adversarial(generator, critic, LATENT, loss, **given)


def training_of(
    program, lipschitz_constraint=None, optimizer=None, critic_optimizer=None, dtype=jnp.float32, monitor=None
):
    optimizer = optimizer or Adam(1e-2)
    state = program.init(optimizer, critic_optimizer or Adam(2e-2), lipschitz_constraint, (INPUTS,), 0)
    scaling = Scaling(jnp.asarray(0.5, dtype), jnp.asarray(2.0, dtype))
    rows = Rows(jnp.asarray(EXAMPLES, dtype), None)
    return Training(program, scaling, rows, monitor, optimizer, state, History.begin(program, rows.rows))


def doubled(state):
    """The state in double precision."""
    return jax.tree.map(lambda a: a.astype(jnp.float64) if a.dtype == jnp.float32 else a, state)


def scores(network, params, state, x):
    return network.forward(params, state, x, training=True).outputs[-1]


def objective(loss, real, generated):
    """The critic's and the generator's loss as the papers write them, of scores."""
    if loss == "wasserstein":
        return generated.mean() - real.mean(), -generated.mean()
    log_p, log_not_p = jax.nn.log_sigmoid, lambda d: jax.nn.log_sigmoid(-d)
    of_critic = -log_p(real).mean() - log_not_p(generated).mean()
    return of_critic, {"gan": -log_p(generated), "minimax": log_not_p(generated)}[loss].mean()


def allclose(one, other, tolerance=1e-8):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), one, other)


@pytest.mark.parametrize(
    ("loss", "lipschitz_constraint"), [("gan", None), ("minimax", None), ("wasserstein", GradientPenalty(3.0))]
)
def test_gradients_of_both_players_are_those_of_the_written_out_game(loss, lipschitz_constraint, float64):
    program = program_of(loss)
    state = doubled(program.init(SGD(), SGD(), lipschitz_constraint, (INPUTS,), 1))
    real, key = jnp.asarray(EXAMPLES[:10]), jax.random.key(3)
    noise_key, _, _, penalty_key = jax.random.split(key, 4)
    noise = jax.random.normal(noise_key, (10, LATENT))
    own = state.params

    def critic_objective(params):
        generated = scores(program.generator, own["generator"], state.layer_state["generator"], noise)
        of = lambda x: scores(program.critic, params, state.layer_state["critic"], x)  # noqa: E731
        value = objective(loss, of(real), of(generated))[0]
        if lipschitz_constraint is None:
            return value, value
        share = jax.random.uniform(jax.random.split(penalty_key)[0], (10,))
        line = share[:, None] * real + (1 - share[:, None]) * generated
        gradients = jax.vmap(jax.grad(lambda x: of(x[None])[0, 0]))(line)
        return value + 3.0 * ((jnp.linalg.norm(gradients, axis=1) - 1) ** 2).mean(), value

    def generator_objective(params):
        generated = scores(program.generator, params, state.layer_state["generator"], noise)
        scored = scores(program.critic, own["critic"], state.layer_state["critic"], generated)
        return objective(loss, scored, scored)[1]

    pass_ = jax.jit(program.critic_pass)(state, Player.of(state, "critic"), real, key)
    expected, value = jax.jit(jax.grad(critic_objective, has_aux=True))(own["critic"])
    allclose((pass_.grads, pass_.loss), (expected, value))
    pass_ = jax.jit(program.generator_pass)(state, Player.of(state, "critic"), key)
    expected = jax.jit(jax.value_and_grad(generator_objective))(own["generator"])
    allclose((pass_.loss, pass_.grads), expected)


def test_the_penalty_of_a_convolutional_critic_is_derived_too(float64):
    critic = Network(Conv2D(2, 3, "leaky_relu", stride=2, padding="same"), Flatten(), Dense(1))
    params, state, _ = doubled((*critic.init(jax.random.key(0), (4, 4, 1))[:2], ()))
    real, generated = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4, 4, 1)))
    key = jax.random.key(2)
    penalty = jax.jit(lambda params: GradientPenalty(2.0).penalty(critic, params, state, real, generated, key))
    value, grads = penalty(params)
    line = between(real, generated, jax.random.uniform(jax.random.split(key)[0], (3,)))

    def written_out(params):
        score = lambda x: scores(critic, params, state, x[None])[0, 0]  # noqa: E731
        length = jnp.sqrt((jax.vmap(jax.grad(score))(line) ** 2).sum((1, 2, 3)))
        return 2.0 * ((length - 1) ** 2).mean()

    allclose((value, grads), jax.jit(jax.value_and_grad(written_out))(params))


def torch_network(network, params):
    import torch

    activations = {"tanh": torch.nn.Tanh(), "leaky_relu": torch.nn.LeakyReLU(0.01)}
    modules = []
    for layer, of_layer in zip(network.layers, params, strict=True):
        if isinstance(layer, Dense):
            linear = torch.nn.Linear(*of_layer["weights"].shape, dtype=torch.float64)
            linear.weight.data = torch.tensor(np.array(of_layer["weights"].T))
            linear.bias.data = torch.tensor(np.array(of_layer["biases"]))
            modules.append(linear)
        else:
            modules.append(activations[layer.function.name])
    return torch.nn.Sequential(*modules)


def torch_game(program, training, steps, strength):
    """WGAN-GP as it is written in PyTorch, with the noise and the rows of the program."""
    import torch

    from pellucid.training.rows import epoch_order

    state = training.state
    generator = torch_network(program.generator, state.params["generator"])
    critic = torch_network(program.critic, state.params["critic"])
    options = {"betas": (0.5, 0.9), "eps": 1e-8}
    of_generator = torch.optim.Adam(generator.parameters(), 1e-2, **options)
    of_critic = torch.optim.Adam(critic.parameters(), 2e-2, **options)
    size, history = program.rows_of_update, []

    @jax.jit
    def batch_of(at):
        order = epoch_order(at, training.train, program.batch_size)
        return program.take_batch(at, training.scaling, training.train, order)

    @jax.jit
    def numbers_of(key):
        noise_key, _, _, penalty_key = jax.random.split(key, 4)
        noise = jax.random.normal(noise_key, (size, LATENT))
        return noise, jax.random.uniform(jax.random.split(penalty_key)[0], (size, 1))

    def drawn(key):
        return [torch.tensor(np.array(numbers)) for numbers in numbers_of(key)]

    for step in range(steps):
        at = state._replace(step=jnp.asarray(step, jnp.int32))
        real, keys = batch_of(at)
        real = torch.tensor(np.array(real))
        for rows, key in zip(real, keys[:-1], strict=True):
            noise, share = drawn(key)
            generated = generator(noise).detach()
            line = (share * rows + (1 - share) * generated).requires_grad_()
            gradients = torch.autograd.grad(critic(line).sum(), line, create_graph=True)[0]
            value = critic(generated).mean() - critic(rows).mean()
            of_critic.zero_grad()
            (value + strength * ((gradients.norm(2, dim=1) - 1) ** 2).mean()).backward()
            of_critic.step()
        of_generator.zero_grad()
        other = -critic(generator(drawn(keys[-1])[0])).mean()
        other.backward()
        of_generator.step()
        history.append((value.item(), other.item()))
    return np.array(history), generator, critic


def test_twenty_steps_follow_pytorch(float64):
    pytest.importorskip("torch")
    program = program_of(recorder=Recorder(0))
    adam = Adam(1e-2, beta1=0.5, beta2=0.9)
    training = training_of(program, GradientPenalty(2.0), adam, Adam(2e-2, beta1=0.5, beta2=0.9), jnp.float64)
    training.state = doubled(training.state)
    history, generator, critic = torch_game(program, training, 20, 2.0)
    state, records = advance(
        program, training.state, training.scaling, training.train, None, jnp.asarray(20, jnp.int32)
    )
    np.testing.assert_allclose(records.steps[:20, :2], history, rtol=1e-5, atol=1e-6)  # records are float32
    for player, theirs in (("generator", generator), ("critic", critic)):
        expected = [parameter.detach().numpy() for parameter in theirs.parameters()]
        own = [
            array
            for of_layer in state.params[player]
            for array in ((of_layer["weights"].T, of_layer["biases"]) if of_layer else ())
        ]
        allclose(own, expected, 1e-6)


def test_a_step_does_not_depend_on_where_calls_were_cut():
    program = program_of(recorder=Recorder(5))
    whole, cut = (training_of(program, GradientPenalty()) for _ in range(2))
    arguments = (whole.scaling, whole.train, None)
    state, records = advance(program, whole.state, *arguments, jnp.asarray(11, jnp.int32))
    first, _ = advance(program, cut.state, *arguments, jnp.asarray(4, jnp.int32))
    second, _ = advance(program, first, *arguments, jnp.asarray(11, jnp.int32))
    jax.tree.map(
        np.testing.assert_array_equal, jax.tree.leaves(state._replace(key=0)), jax.tree.leaves(second._replace(key=0))
    )
    assert records.layers.shape[1:] == (len(program.layer_names), len(program.recorder.measures))
    assert np.isfinite(records.layers[1, :, 2]).all()
    assert program.layer_names[0] == "generator/dense_1"
    assert program.layer_names[-1] == "critic/dense_3"


def test_another_strength_or_rate_does_not_recompile():
    program = program_of()
    before = advance._cache_size()
    for strength, rate in ((1.0, 1e-2), (5.0, 1e-3)):
        training = training_of(program, GradientPenalty(strength), Adam(rate))
        advance(program, training.state, training.scaling, training.train, None, jnp.asarray(2, jnp.int32))
    assert advance._cache_size() - before <= 1


def test_weight_clipping_keeps_the_critic_within_its_bound():
    program = program_of()
    training = training_of(program, WeightClipping(0.05))
    for _ in training.run(3):
        pass
    largest = max(float(jnp.abs(w).max()) for w in jax.tree.leaves(training.state.params["critic"]))
    assert largest == np.float32(0.05)
    assert max(float(jnp.abs(w).max()) for w in jax.tree.leaves(training.state.params["generator"])) > 0.05


def test_the_average_lags_behind_the_generator():
    training = training_of(program_of(), GradientPenalty())
    seen = []
    arguments = (training.scaling, training.train, None)
    for step in range(1, 21):
        training.state, _ = advance(training.program, training.state, *arguments, jnp.asarray(step, jnp.int32))
        seen.append(training.state.params["generator"])
    expected = seen[0]
    for t, params in enumerate(seen, 1):
        expected = jax.tree.map(lambda mean, new, t=t: mean + (new - mean) * 10 / (t + 9), expected, params)
    allclose(training.state.params["average"], expected, 1e-5)


def test_held_out_rows_are_judged_by_the_papers_losses():
    program = program_of("gan")
    part = Rows(jnp.asarray(EXAMPLES[:20], jnp.float32), None)
    training = training_of(program, monitor=part)
    measured = program.evaluate(training.state, training.scaling, part)
    params, layer_state = training.state.params, training.state.layer_state
    noise = jax.random.normal(jax.random.fold_in(training.state.key, 0), (20, LATENT))
    generated = predict(program.generator, params["generator"], layer_state["generator"], noise)
    critic_scores = lambda x: predict(program.critic, params["critic"], layer_state["critic"], x)  # noqa: E731
    real = critic_scores((part.x - 0.5) * 2)
    allclose(measured, jnp.stack(objective("gan", real, critic_scores(generated))), 1e-5)


def test_a_gradient_of_length_zero_has_gradient_zero():
    value, gradient = jax.value_and_grad(lambda x: lengths(x).sum())(jnp.zeros((2, 3)))
    assert float(value) == 0
    assert not np.asarray(gradient).any()
    np.testing.assert_allclose(lengths(jnp.array([[[3.0], [4.0]]])), [5.0])
    np.testing.assert_allclose(between(jnp.ones((1, 2)), jnp.zeros((1, 2)), jnp.array([0.25])), 0.25)


def test_divergence_names_the_player_and_the_layer():
    program = program_of()
    training = training_of(program, GradientPenalty(), critic_optimizer=Adam(1e30))
    with pytest.raises(TrainingDiverged, match=r"In the critic: .*dense_"):
        for _ in training.run(5):
            pass
    training = training_of(program, GradientPenalty())
    training.train = Rows(training.train.x.at[5, 1].set(jnp.nan), None)
    with pytest.raises(TrainingDiverged, match=r"In the critic: |already hold NaN"):
        for _ in training.run(1):
            pass


def test_layers_that_draw_and_layers_with_a_state_take_part():
    generator = Network(Dense(8), BatchNorm(), Dropout(0.1), Dense(INPUTS))
    critic = Network(Dense(8, "leaky_relu"), Dropout(0.3), Dense(1))
    program = Adversarial(generator, critic, LATENT, batch_size=30, critic_steps=3, recorder=Recorder(0))
    training = training_of(program, GradientPenalty())
    for _ in training.run(4):
        pass
    assert training.state.layer_state["generator"][1].keys()
    assert np.isfinite(training.history.step_rows).all()


def test_restraints_and_fields_are_checked():
    assert lipschitz_constraints.build(describe(GradientPenalty(0.1))) == GradientPenalty(0.1)
    with pytest.raises(InvalidValue, match="strength"):
        GradientPenalty(0.0)
    with pytest.raises(InvalidValue, match="loss"):
        program_of("hinge")
    with pytest.raises(InvalidValue, match=r"batch_size.*multiple"):
        program_of(batch_size=31)
