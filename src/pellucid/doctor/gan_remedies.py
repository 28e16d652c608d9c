"""What may help a GAN, by name: each remedy turns an adversarial training into one or more others."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from pellucid.architectures.gan import USUAL
from pellucid.doctor.gan_setup import GanSetup
from pellucid.doctor.successive_halving import Candidate
from pellucid.optimizers import Adam
from pellucid.training import GradientPenalty

Changed = list[tuple[str, GanSetup]]
"""The changed trainings, each with its change in words; none where the remedy does not apply."""

GAN_REMEDIES: dict[str, Callable[[GanSetup], Changed]] = {}
"""Every remedy by name."""


def _remedy(name: str) -> Callable[[Callable[[GanSetup], Changed]], Callable[[GanSetup], Changed]]:
    def enter(make: Callable[[GanSetup], Changed]) -> Callable[[GanSetup], Changed]:
        GAN_REMEDIES[name] = make
        return make

    return enter


def gan_candidates(name: str, setup: GanSetup) -> list[Candidate]:
    """The trainings that a remedy makes of one; none where it does not apply.

    Example:
        >>> gan_candidates("no such remedy", None)
        []
    """
    if name not in GAN_REMEDIES:
        return []
    return [
        Candidate(name, change, made) for change, made in GAN_REMEDIES[name](setup) if _parts(made) != _parts(setup)
    ]


def gan_offered(names: Iterable[str], setup: GanSetup) -> tuple[str, ...]:
    """Those of some remedies that would change a training."""
    return tuple(name for name in names if gan_candidates(name, setup))


def _parts(setup: GanSetup) -> tuple[Any, ...]:
    """What a remedy may change."""
    return setup.program, setup.optimizer, setup.critic_optimizer, setup.lipschitz_constraint, setup.epochs


def _with_rate(optimizer: Any, factor: float) -> tuple[str, Any] | None:
    rate = optimizer.learning_rate
    if not isinstance(rate, (int, float)):  # a schedule
        return None
    return f"{rate:g} → {rate * factor:g}", replace(optimizer, learning_rate=rate * factor)


def _critic_rate(setup: GanSetup, *factors: float) -> Changed:
    changed = [_with_rate(setup.critic_optimizer, factor) for factor in factors]
    return [
        (f"the critic's learning rate {said}", replace(setup, critic_optimizer=made))
        for said, made in filter(None, changed)
    ]


@_remedy("larger critic rate")
def _larger_critic_rate(setup: GanSetup) -> Changed:
    return _critic_rate(setup, 10, 100)


@_remedy("smaller critic rate")
def _smaller_critic_rate(setup: GanSetup) -> Changed:
    return _critic_rate(setup, 0.1)


@_remedy("smaller generator rate")
def _smaller_generator_rate(setup: GanSetup) -> Changed:
    changed = _with_rate(setup.optimizer, 0.1)
    if changed is None:
        return []
    return [(f"the generator's learning rate {changed[0]}", replace(setup, optimizer=changed[1]))]


@_remedy("larger learning rate")
def _larger_rates(setup: GanSetup) -> Changed:
    return _both_rates(setup, 10)


@_remedy("smaller learning rate")
def _smaller_rates(setup: GanSetup) -> Changed:
    return _both_rates(setup, 0.1)


def _both_rates(setup: GanSetup, factor: float) -> Changed:
    generator, critic = (_with_rate(one, factor) for one in (setup.optimizer, setup.critic_optimizer))
    if generator is None or critic is None:
        return []
    said = f"learning rates: generator {generator[0]}, critic {critic[0]}"
    return [(said, replace(setup, optimizer=generator[1], critic_optimizer=critic[1]))]


@_remedy("adam")
def _usual_adam(setup: GanSetup) -> Changed:
    usual = USUAL[setup.program.loss].optimizer
    if setup.optimizer == setup.critic_optimizer == usual:
        return []
    return [
        (
            f"Adam for both players, learning rate {rate:g}, beta1 {usual.beta1:g}",
            replace(setup, optimizer=made, critic_optimizer=made),
        )
        for rate in (2e-4, 1e-3)
        for made in [replace(usual, learning_rate=rate)]
    ]


@_remedy("more critic steps")
def _more_critic_steps(setup: GanSetup) -> Changed:
    return [(f"{made.program.critic_steps} critic updates to one of the generator", made) for made in _steps(setup, 5)]


def _steps(setup: GanSetup, steps: int) -> list[GanSetup]:
    """So many critic updates in a step, and as many of the generator's as before."""
    program, before = setup.program, setup.program.critic_steps
    rows = program.batch_size // before * steps
    if steps == before or rows > setup.train.rows:
        return []
    made = replace(program, critic_steps=steps, batch_size=rows)
    return [replace(setup, program=made, epochs=round(setup.epochs * steps / before))]


@_remedy("loss that does not saturate")
def _not_saturating(setup: GanSetup) -> Changed:
    if setup.program.loss != "minimax":
        return []
    return [("loss minimax → gan", replace(setup, program=replace(setup.program, loss="gan")))]


@_remedy("gradient penalty")
def _gradient_penalty(setup: GanSetup) -> Changed:
    if setup.lipschitz_constraint is not None:
        return []
    return [("a gradient penalty of 0.1 on the critic", replace(setup, lipschitz_constraint=GradientPenalty(0.1)))]


@_remedy("Wasserstein loss with gradient penalty")
def _wasserstein(setup: GanSetup) -> Changed:
    if setup.program.loss == "wasserstein":
        return []
    strength = 0.1 if len(setup.facts.input_shape) == 1 else 10.0
    adam = Adam(1e-3, beta1=0.5, beta2=0.9)
    made = replace(
        setup,
        program=replace(setup.program, loss="wasserstein"),
        lipschitz_constraint=GradientPenalty(strength),
        optimizer=adam,
        critic_optimizer=adam,
    )
    said = f"loss {setup.program.loss} → wasserstein, gradient penalty {strength:g}, Adam 0.001 for both"
    return [(f"{said}, 5 critic updates", one) for one in _steps(made, 5)]


@_remedy("more epochs")
def _more_epochs(setup: GanSetup) -> Changed:
    return [(f"epochs {setup.epochs} → {setup.epochs * 3}", replace(setup, epochs=setup.epochs * 3))]
