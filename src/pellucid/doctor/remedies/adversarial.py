"""Remedies of an adversarial training: the players' rates, the game between them, what holds the critic."""

from dataclasses import replace
from typing import Any

from pellucid.architectures.gan import USUAL
from pellucid.core.registry import describe
from pellucid.doctor.remedies.steps import epochs, with_rate
from pellucid.doctor.remedies.table import Changed, remedy, with_settings
from pellucid.optimizers import Adam, as_optimizer
from pellucid.runs.plan import Plan
from pellucid.training import GradientPenalty


def _critic_optimizer(plan: Plan) -> Any:
    critic = plan.experiment.critic_optimizer
    return plan.optimizer if critic is None else as_optimizer(critic)


def _with_players(plan: Plan, generator: Any, critic: Any) -> Plan:
    return with_settings(plan._replace(optimizer=generator), critic_optimizer=describe(critic))


def _rates(plan: Plan, generator: float, critic: float) -> Changed:
    """Multiples of the rates of both players; none where a schedule gives one."""
    before = plan.optimizer, _critic_optimizer(plan)
    after = [with_rate(player, factor) for player, factor in zip(before, (generator, critic), strict=True)]
    if None in after:
        return []
    changes = [f"{old.learning_rate:g} → {new.learning_rate:g}" for old, new in zip(before, after, strict=True)]
    text = f"learning rates: generator {changes[0]}, critic {changes[1]}"
    if generator == 1:
        text = f"the critic's learning rate {changes[1]}"
    if critic == 1:
        text = f"the generator's learning rate {changes[0]}"
    return [(text, _with_players(plan, *after))]


remedy("larger critic rate", program="adversarial")(lambda plan: [*_rates(plan, 1, 10), *_rates(plan, 1, 100)])
remedy("smaller critic rate", program="adversarial")(lambda plan: _rates(plan, 1, 0.1))
remedy("smaller generator rate", program="adversarial")(lambda plan: _rates(plan, 0.1, 1))
remedy("larger learning rate", program="adversarial")(lambda plan: _rates(plan, 10, 10))
remedy("smaller learning rate", program="adversarial")(lambda plan: _rates(plan, 0.1, 0.1))


@remedy("adam", program="adversarial")
def _usual_adam(plan: Plan) -> Changed:
    usual = USUAL[plan.experiment.loss].optimizer
    if plan.optimizer == _critic_optimizer(plan) == usual:
        return []
    rules = [replace(usual, learning_rate=rate) for rate in (2e-4, 1e-3)]
    text = "Adam for both players, learning rate"
    return [(f"{text} {rule.learning_rate:g}, beta1 {rule.beta1:g}", _with_players(plan, rule, rule)) for rule in rules]


@remedy("more critic steps", program="adversarial")
def _more_critic_steps(plan: Plan) -> Changed:
    return [(f"{steps} critic updates to one of the generator", new) for steps, new in _steps(plan, 5)]


def _steps(plan: Plan, steps: int) -> list[tuple[int, Plan]]:
    """So many critic updates in a step, and as many of the generator's as before."""
    before, size = plan.experiment.critic_steps or 1, plan.experiment.batch_size
    if steps == before or size == "all" or size * steps > len(plan.data.train):
        return []
    epochs = round(plan.experiment.epochs * steps / before)
    return [(steps, with_settings(plan, critic_steps=steps, epochs=epochs))]


@remedy("loss that does not saturate", program="adversarial")
def _not_saturating(plan: Plan) -> Changed:
    if plan.experiment.loss != "minimax":
        return []
    return [("loss minimax → gan", with_settings(plan, loss="gan"))]


@remedy("gradient penalty", program="adversarial")
def _gradient_penalty(plan: Plan) -> Changed:
    if plan.experiment.lipschitz_constraint is not None:
        return []
    penalty = describe(GradientPenalty(0.1))
    return [("a gradient penalty of 0.1 on the critic", with_settings(plan, lipschitz_constraint=penalty))]


@remedy("Wasserstein loss with gradient penalty", program="adversarial")
def _wasserstein(plan: Plan) -> Changed:
    loss = plan.experiment.loss
    if loss == "wasserstein":
        return []
    strength = 0.1 if len(plan.data.input_shape) == 1 else 10.0
    adam, penalty = Adam(1e-3, beta1=0.5, beta2=0.9), describe(GradientPenalty(strength))
    changed = with_settings(_with_players(plan, adam, adam), loss="wasserstein", lipschitz_constraint=penalty)
    text = f"loss {loss} → wasserstein, gradient penalty {strength:g}, Adam 0.001 for both, 5 critic updates"
    return [(text, new) for _, new in _steps(changed, 5)]


remedy("more epochs", program="adversarial")(lambda plan: epochs(plan, plan.experiment.epochs * 3))
