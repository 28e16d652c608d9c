"""The parameters that the estimators share, under scikit-learn's names."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator

from pellucid.core.constraints import (
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    Interval,
    OneOf,
    OrElse,
    WholeNumber,
    constrained,
)
from pellucid.core.errors import InvalidValue
from pellucid.functions.schedules import InverseDecay, Schedule, schedules, watches_loss
from pellucid.optimizers import SGD, Adam, FromOptax, Momentum, Nesterov, Optimizer, as_optimizer
from pellucid.runs.experiment import CHOICES

Class = TypeVar("Class", bound=type)

ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid"}
"""scikit-learn's names of activations that have another one here."""
RATES = ("constant", "invscaling", "adaptive")
"""scikit-learn's ways to change the learning rate of stochastic gradient descent."""
LBFGS = "lbfgs"
AUTO_ROWS = 200
"""Most rows of a batch by default, as in scikit-learn."""


def described(default: Any, help: str) -> Any:
    """Declare a parameter that is checked where it is used."""
    return field(default=default, metadata={"help": help})


def scaling(default: str) -> Any:
    """Declare the scaling of the inputs, which each estimator has its own default of."""
    help = (
        'how inputs are scaled: "none", "standardise", "min_max"; or "auto", pixels by their range, others standardised'
    )
    return constrained(default, OneOf(CHOICES), help)


@dataclass(eq=False, repr=False, kw_only=True)
class Parameters(BaseEstimator):
    """The parameters of every training by epochs; each means what it means in scikit-learn."""

    max_iter: int = constrained(200, WholeNumber(1), "most epochs")
    shuffle: bool = described(True, "draw a new order of the rows for each epoch")
    random_state: Any = described(None, "seed of initial weights, order of the rows, dropout and validation part")
    tol: float = constrained(1e-4, NOT_NEGATIVE, "improvement that counts as such")
    n_iter_no_change: float = described(10, "epochs without improvement that are waited for; may be infinite")
    verbose: bool = described(False, "print loss and score of each epoch")
    warm_start: bool = described(False, "begin fit with the weights of the last one")
    early_stopping: bool = described(
        False, "set a part of the rows aside, end where its score stops improving, keep the best epoch"
    )
    validation_fraction: float = constrained(0.1, Interval(0, 1, closed="neither"), "fraction of the rows set aside")
    scale_inputs: str = scaling("none")

    @property
    def _patience(self) -> float:
        waits = self.n_iter_no_change
        if waits != np.inf and not WholeNumber(1).allows(waits):
            raise InvalidValue(
                f"n_iter_no_change must be {WholeNumber(1)}, or numpy.inf to go on for max_iter. Received: {waits!r}."
            )
        return waits


@dataclass(eq=False, repr=False, kw_only=True)
class GradientParameters(Parameters):
    """The parameters of a training by gradients, under scikit-learn's names."""

    solver: Any = described(
        "adam", '"adam", "sgd" or "lbfgs", or any optimiser: a name, a table or an object, also of Optax'
    )
    alpha: float = constrained(0.0001, NOT_NEGATIVE, "strength of the L2 penalty, alpha / 2 · Σ w² / rows of the batch")
    batch_size: Any = constrained("auto", OrElse(WholeNumber(1), "auto"), 'rows of a step; "auto" for at most 200')
    learning_rate: Any = described(
        "constant",
        '"constant", and with "sgd" also "invscaling" or "adaptive"; or a schedule, which starts at learning_rate_init',
    )
    learning_rate_init: float = constrained(0.001, POSITIVE, "learning rate, of solvers given by name")
    power_t: float = constrained(0.5, NOT_NEGATIVE, 'exponent of "invscaling"')
    momentum: float = constrained(0.9, FRACTION, 'of "sgd"')
    nesterovs_momentum: bool = described(True, 'whether the momentum of "sgd" is Nesterov\'s')
    beta_1: float = constrained(0.9, FRACTION, 'decay of the mean gradient, of "adam"')
    beta_2: float = constrained(0.999, FRACTION, 'decay of the mean square, of "adam"')
    epsilon: float = constrained(1e-8, POSITIVE, 'keeps the division finite, of "adam"')
    max_fun: int = constrained(15000, WholeNumber(1), "most evaluations of the loss by lbfgs")

    @property
    def _by_lbfgs(self) -> bool:
        return isinstance(self.solver, str) and self.solver == LBFGS

    @property
    def _adaptive(self) -> bool:
        sgd, rate = isinstance(self.solver, str) and self.solver == "sgd", self.learning_rate
        return sgd and isinstance(rate, str) and rate == "adaptive"

    def _optimizer(self, rows: int) -> Optimizer | FromOptax:
        """The optimiser of these parameters, where ``rows`` are trained on.

        Raises:
            InvalidValue: a solver or learning rate that there is none of.
        """
        schedule = self._schedule(rows)
        rate = self.learning_rate_init if schedule is None else schedule
        if isinstance(self.solver, str) and self.solver == "adam":
            return Adam(rate, beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon)
        if isinstance(self.solver, str) and self.solver == "sgd":
            if self.momentum == 0:
                return SGD(rate)
            of_momentum = {"learning_rate": rate, "momentum": self.momentum}
            return Nesterov(**of_momentum) if self.nesterovs_momentum else Momentum(**of_momentum, average=False)
        optimizer = as_optimizer(self.solver)
        if isinstance(self.solver, str) or schedule is not None:
            if isinstance(optimizer, FromOptax):
                raise InvalidValue(
                    "learning_rate: an optimizer from Optax holds its schedule inside. Give the optimizer of the "
                    'schedule that you want, and leave learning_rate="constant".'
                )
            return replace(optimizer, learning_rate=rate)
        return optimizer

    def _schedule(self, rows: int) -> Schedule | None:
        """The schedule of the learning rate; None for a constant or adaptive one."""
        given, plain = self.learning_rate, isinstance(self.solver, str) and self.solver == "sgd"
        if isinstance(given, str) and given in RATES:
            steps_down = plain and given == "invscaling"
            return InverseDecay(self.learning_rate_init, decay=rows, power=self.power_t) if steps_down else None
        table = {"name": given} if isinstance(given, str) else given
        if isinstance(table, Mapping):
            kind: Any = schedules.find(str(table.get("name")))
            names = {item.name for item in fields(kind)}
            usual = {"learning_rate": self.learning_rate_init, "epochs": self.max_iter}
            table = {name: value for name, value in usual.items() if name in names} | dict(table)
        schedule = schedules.build(table)
        if watches_loss(schedule):
            raise InvalidValue(
                f"learning_rate={schedule.name!r} waits for a loss to fall; here that decides when the training ends. "
                'Take solver="sgd" with learning_rate="adaptive", which lowers the rate instead, or cosine_decay.'
            )
        return schedule

    def _rows_of_step(self, rows: int, full_batch: bool) -> int:
        """The rows of a step, where ``rows`` are trained on."""
        if isinstance(self.batch_size, str):
            return rows if full_batch else min(AUTO_ROWS, rows)
        return min(int(self.batch_size), rows)


def documented(cls: Class) -> Class:
    """Put the parameters, which are declared once, into a docstring (class decorator)."""
    lines = [f"{item.name}: {item.metadata['help']}." for item in fields(cls) if "help" in item.metadata]
    assert cls.__doc__ is not None
    cls.__doc__ = cls.__doc__.replace("{parameters}", textwrap.indent("\n".join(lines), " " * 8).lstrip())
    return cls
