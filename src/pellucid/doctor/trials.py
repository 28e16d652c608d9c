"""Short trials: the same training with one number changed, on the same seed and the same compiled program.

A learning rate, a penalty, the preprocessing and the initial weights are arguments of the program, so that a trial
costs its steps and no compilation. A cause is named where its removal alone brings the network on.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.checks import TrainingDiverged
from pellucid.doctor.examination import Examination
from pellucid.functions.initializers import initializers
from pellucid.layers import Frozen
from pellucid.models.run import outputs_of
from pellucid.training import History, Training
from pellucid.training.state import with_numbers

STEPS = 6000
"""Most steps of one trial."""
LONGER = 8.0
"""How many times the epochs a trial of more epochs makes, at least."""
SETTLED = 1000
"""Fewest steps of such a trial: of five updates, eight times as many have hardly begun to learn."""


@dataclass
class Trials:
    """Trials of an examination; each is made when its outcome is first asked for."""

    examination: Examination

    def outcome(self, *, rate: float = 1.0, longer: float = 1.0, **changes: Any) -> float:
        """Skill on the held-out rows after the training, with changes.

        Args:
            rate: factor of the learning rate.
            longer: factor of the epochs.
            changes: ``scaling``, ``y`` (shift and spread taken off the targets), ``params``, ``regularizer``.
        """
        e = self.examination
        training = e.training
        optimizer = training.optimizer
        if rate != 1:
            if not isinstance(optimizer.learning_rate, (int, float)):
                return 0.0
            optimizer = _with_rate(optimizer, optimizer.learning_rate * rate)
        state = e.state_start._replace(
            key=jax.random.key(e.run.experiment.seed), regularizer=training.state.regularizer
        )
        if "regularizer" in changes:
            state = state._replace(regularizer=changes["regularizer"])
        if "params" in changes:
            state = state._replace(params=changes["params"])
        state = with_numbers(state, optimizer)
        rows, shift, spread = training.train, 0.0, 1.0
        if "y" in changes:
            shift, spread = changes["y"]
            rows = rows._replace(y=(jnp.asarray(rows.y) - shift) / spread)
        program = replace(e.run.program, record_every=0)
        scaling = changes.get("scaling", training.scaling)
        trial = Training(program, scaling, rows, None, optimizer, state, History.begin(program, rows.rows))
        epochs = max(1, min(round(e.run.experiment.epochs * longer), STEPS // trial.steps_per_epoch))
        try:
            for _ in trial.run(epochs):
                pass
        except TrainingDiverged:
            return 0.0
        judged, rows, y = e.training.train.x, e.sample, e.y
        if e.y_new is not None:
            judged, rows, y = e.training.monitor.x, e.sample_new, e.y_new
        x = np.asarray(judged)[rows]
        outputs = outputs_of(e.network, trial.params, trial.layer_state, x, scaling)
        return e.skill(outputs * spread + shift, y)

    @cached_property
    def again(self) -> float:
        """As it was: differs from the run's skill where a trial is cut short."""
        return self.outcome()

    @cached_property
    def slower(self) -> dict[float, float]:
        """A smaller learning rate."""
        return {factor: self.outcome(rate=factor) for factor in (0.1, 0.01)}

    @cached_property
    def faster(self) -> dict[float, float]:
        """A larger learning rate, ten and a hundred times.

        Where that is still too little, also those that move the weights by a thousandth and a hundredth of their
        size in a step.
        """
        ratios = self.examination.measure("update_ratio")
        usual = float(np.nanmedian(ratios)) if np.isfinite(ratios).any() else 0.0
        factors = [10.0, 100.0, *([1e-3 / usual, 1e-2 / usual] if 0 < usual < 1e-4 else [])]
        return {factor: self.outcome(rate=factor) for factor in factors}

    @property
    def times(self) -> float:
        """How many times the epochs ``longer`` makes."""
        return max(LONGER, SETTLED / max(self.examination.steps, 1))

    @cached_property
    def longer(self) -> float:
        """More epochs: eight times as many, and no fewer steps than most rules need to settle."""
        return self.outcome(longer=self.times)

    @cached_property
    def standardised(self) -> float:
        """Standardised inputs: a table by column, anything else as a whole."""
        x = self.examination.x
        axes = 0 if x.ndim == 2 else None
        mean, spread = np.nanmean(x, axes), np.nanstd(x, axes)
        scale = 1 / np.where(spread > 1e-12, spread, 1)
        base = self.examination.training.scaling
        shift = np.asarray(base.shift) + mean / np.asarray(base.scale)
        scaling = base._replace(
            shift=jnp.asarray(shift, jnp.float32),
            scale=jnp.asarray(scale * np.asarray(base.scale), jnp.float32),
        )
        return self.outcome(scaling=scaling)

    @cached_property
    def scaled_targets(self) -> float:
        """Standardised targets."""
        y = self.examination.y
        spread = y.std(0, keepdims=True)
        return self.outcome(y=(y.mean(0, keepdims=True), np.where(spread > 0, spread, 1).astype(np.float32)))

    @cached_property
    def drawn_anew(self) -> float:
        """Weights of Glorot's size, biases 0."""
        e = self.examination
        key = jax.random.key(1)

        def draw(path: Any, leaf: Any) -> Any:
            if path[-1].key not in ("weights", "recurrent"):
                return jnp.zeros_like(leaf) if path[-1].key == "biases" else leaf
            place = jax.random.fold_in(key, path[0].idx * 7 + len(path[-1].key))
            name = "orthogonal" if path[-1].key == "recurrent" else "glorot_uniform"
            return initializers.build(name)(place, leaf.shape)

        return self.outcome(params=jax.tree_util.tree_map_with_path(draw, e.params_start))

    @cached_property
    def unpenalised(self) -> float:
        """No penalty on the weights."""
        none = jax.tree.map(jnp.zeros_like, self.examination.training.state.regularizer)
        return self.outcome(regularizer=none)


def _with_rate(optimizer: Any, rate: float) -> Any:
    """A copy of another rate, one below 0 as it is."""
    copy = replace(optimizer, learning_rate=abs(rate))
    object.__setattr__(copy, "learning_rate", rate)
    return copy


def trainable(network: Any) -> bool:
    """Whether any layer is not frozen."""
    return any(not isinstance(layer, Frozen) for layer in network.layers)
