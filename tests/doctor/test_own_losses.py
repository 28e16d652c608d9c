"""The doctor reads a custom loss as it reads those of the library: by its word, or by its values and gradients."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pel
from pellucid.doctor import diagnose
from pellucid.doctor.losses import has_constant_gradient, is_distance, reads_of, threshold_of
from pellucid.functions.losses import Loss, PerOutput, losses
from pellucid.layers import Dense
from pellucid.network import Network


class Derived(Loss):
    """A loss whose gradient is derived from its value."""

    def gradient(self, prediction, target):
        return jax.grad(lambda p: self.value(p, target).sum())(prediction)


@dataclass(frozen=True)
class LogOfTheRightOne(Derived):
    """−ln of the output of the true class, cut off at 10⁻⁶."""

    target_kind: ClassVar[Literal["one_hot"]] = "one_hot"

    def value(self, prediction, target):
        return -jnp.log(jnp.maximum((prediction * target).sum(-1), 1e-6))


@dataclass(frozen=True)
class Odds(Derived):
    """Softplus of minus the true class's output, less that of the others."""

    target_kind: ClassVar[Literal["classes"]] = "classes"

    def value(self, prediction, target):
        right = jnp.take_along_axis(prediction, target[..., None], -1)[..., 0]
        return jnp.log1p(jnp.exp(-(right - prediction.mean(-1))))


class PerNumber(PerOutput):
    def term_gradient(self, prediction, target):
        return jax.grad(lambda p: self.term(p, target).sum())(prediction)


@dataclass(frozen=True)
class Quartic(PerNumber):
    def term(self, prediction, target):
        return (prediction - target) ** 4


@dataclass(frozen=True)
class Relative(PerNumber):
    def term(self, prediction, target):
        return (prediction - target) ** 2 / (1 + target**2)


@dataclass(frozen=True)
class Absolute(PerNumber):
    def term(self, prediction, target):
        return jnp.abs(prediction - target)


@dataclass(frozen=True)
class SoftMargin(PerNumber):
    def term(self, prediction, target):
        return jnp.maximum(0, 2 - target * prediction)


@dataclass(frozen=True)
class NotALogarithm(PerNumber):
    def term(self, prediction, target):
        return -target * jnp.log(prediction) - (1 - target) * jnp.log(1 - prediction)


@pytest.mark.parametrize(
    ("loss", "reads", "distance", "constant"),
    [
        (LogOfTheRightOne(), "probabilities", False, False),
        (NotALogarithm(), "probabilities", False, False),
        (Odds(), "logits", False, False),
        (SoftMargin(), "margins", False, False),
        (Quartic(), "numbers", True, False),
        (Relative(), "numbers", False, False),
        (Absolute(), "numbers", True, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Loss) else str(value),
)
def test_a_loss_that_declares_nothing_is_probed(loss, reads, distance, constant):
    assert (reads_of(loss), is_distance(loss), has_constant_gradient(loss)) == (reads, distance, constant)
    assert threshold_of(loss) == (0.0 if reads in ("logits", "margins") else 0.5)


@pytest.mark.parametrize("name", list(losses))
def test_the_losses_of_the_library_are_taken_at_their_word(name):
    loss = losses.build(name)
    assert (reads_of(loss), is_distance(loss)) == (loss.reads, loss.of_difference)


def labels(network, loss, **settings):
    iris = pel.load_dataset("iris")
    run = pel.train(network, iris, loss=loss, epochs=2, optimizer=pel.Adam(0.01), progress=False, **settings)
    return [finding.label for finding in diagnose(run, trials=False)]


@pytest.fixture
def registered(monkeypatch):
    """The custom loss under its name, as training asks for; other tests read the registry."""
    monkeypatch.setattr(losses, "_classes", dict(losses._classes))
    losses.register("log_of_the_right_one")(LogOfTheRightOne)


@pytest.mark.usefixtures("registered")
@pytest.mark.filterwarnings("ignore::pellucid.core.errors.DoctorWarning")
def test_outputs_that_a_custom_loss_does_not_take_are_found():
    """A loss of probabilities: none on raw outputs, and no fault on those of a softmax."""
    raw = labels(Network(Dense(8, "relu"), Dense(3)), LogOfTheRightOne())
    assert "missing_output_activation" in raw
    bent = labels(Network(Dense(8, "relu"), Dense(3, "softplus")), LogOfTheRightOne())
    assert "output_loss_mismatch" in bent
    fitting = labels(Network(Dense(8, "relu"), Dense(3, "softmax")), LogOfTheRightOne())
    assert not {"missing_output_activation", "output_loss_mismatch", "wrong_loss"} & set(fitting)


def test_outputs_that_cannot_be_probed_are_taken_for_numbers():
    class Fussy(Quartic):
        def term(self, prediction, target):
            if prediction.shape[-1] != 7:
                raise ValueError("seven outputs")
            return super().term(prediction, target)

    assert reads_of(Fussy()) == "numbers"
    assert not np.isnan(threshold_of(Fussy()))
