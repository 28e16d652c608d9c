"""Short trials: the same training with one thing changed, on the same seed, and the gain in skill that comes of it.

A learning rate, a penalty, the preprocessing and the initial weights are arguments of the compiled program, so that
a trial costs its steps and no compilation; another batch or another network is compiled, and asked for last. A cause
is named where its removal alone brings the network on.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import TrainingDiverged
from pellucid.doctor.passes import Passes
from pellucid.functions.initializers import fans
from pellucid.layers import Dropout
from pellucid.runs.outputs import outputs_of
from pellucid.training import History, Rows, Scaling, Training
from pellucid.training.state import with_numbers

STEPS = 6000
"""Most steps of one trial."""
SECONDS = 4.0
"""A trial of more epochs is cut here, and what it has reached by then counts: at most too little is said of it."""
LEARNT = 0.9
"""A skill that no other rate need be tried beyond."""
USUAL_BATCH = 32
"""Rows of a batch that is neither too small nor too large for most trainings."""
LONGER = 8.0
"""How many times the epochs a trial of more epochs makes, at least."""
SETTLED = 1000
"""Fewest steps of such a trial: of five updates, eight times as many have hardly begun to learn."""


@dataclass
class Trials:
    """Trials of a training; each is made when its outcome is first asked for."""

    passes: Passes
    ends: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Parameters and layers' state that a trial ended with, of those that kept them."""

    def outcome(self, *, rate: float = 1.0, longer: float = 1.0, keep: str = "", **changes: Any) -> float:
        """Skill on the held-out rows after the training, with changes.

        Args:
            rate: factor of the learning rate.
            longer: factor of the epochs.
            keep: a name to keep the network under that it ended with.
            changes: ``inputs`` (a scaling, and the rows that it takes), ``y`` (shift and deviation of the targets),
                ``params``, ``regularizer``, ``program``.
        """
        e = self.passes
        training = e.training
        optimizer = training.optimizer
        if rate != 1:
            if not isinstance(optimizer.learning_rate, (int, float)):
                return 0.0
            optimizer = _with_rate(optimizer, optimizer.learning_rate * rate)
        given = {"regularizer": training.state.regularizer} | {
            name: changes[name] for name in ("regularizer", "params") if name in changes
        }
        state = with_numbers(e.state_start._replace(**given), optimizer)
        scaling, rows, monitor = changes.get("inputs", (training.scaling, training.train, training.monitor))
        shift, deviation = changes.get("y", (0.0, 1.0))
        if "y" in changes:
            rows, monitor = (
                part and part._replace(y=jnp.asarray((np.asarray(part.y) - shift) / deviation, part.y.dtype))
                for part in (rows, monitor)
            )
        # The run's own program, with the recorder and the held-out rows, is compiled already.
        program = changes.get("program", e.run.program)
        trial = Training(program, scaling, rows, monitor, optimizer, state, History.begin(program, rows.rows))
        epochs = max(1, min(round(e.run.experiment.epochs * longer), STEPS // trial.steps_per_epoch))
        seconds = 0.0
        try:
            for progress in trial.run(epochs):
                seconds += progress.seconds * (not progress.compiled)
                if longer > 1 and seconds > SECONDS:
                    break
        except TrainingDiverged:
            return 0.0
        if keep:
            self.ends[keep] = trial.params, trial.layer_state
        scored, sample, y = rows, e.sample, e.y
        if e.y_new is not None:
            scored, sample, y = monitor, e.sample_new, e.y_new
        x = np.asarray(scored.x)[sample]
        like = e.run.facts.held_out_rows or None
        outputs = outputs_of(program.network, trial.params, trial.layer_state, x, scaling, like=like)
        return e.skill(outputs * deviation + shift, y)

    @cached_property
    def again(self) -> float:
        """As it was: differs from the run's skill where a trial is cut short."""
        return self.outcome()

    @cached_property
    def slower(self) -> dict[float, float]:
        """A smaller learning rate."""
        return self._of_rates((0.1, 0.01))

    @cached_property
    def faster(self) -> dict[float, float]:
        """A larger learning rate, ten and a hundred times.

        Where that is still too little, also those that move the weights by a thousandth and a hundredth of their
        size in a step.
        """
        ratios = self.passes.measure("update_ratio")
        usual = float(np.nanmedian(ratios)) if np.isfinite(ratios).any() else 0.0
        # Where all but nothing moves, units are dead or flat, and no rate is large enough.
        return self._of_rates((10.0, 100.0, *((1e-3 / usual, 1e-2 / usual) if 1e-7 < usual < 1e-4 else ())))

    def _of_rates(self, factors: tuple[float, ...]) -> dict[float, float]:
        """The outcome of each factor of the rate, up to one that leaves nothing to look for."""
        reached: dict[float, float] = {}
        for factor in factors:
            reached[factor] = self.outcome(rate=factor)
            if reached[factor] >= LEARNT:
                break
        return reached

    @property
    def times(self) -> float:
        """How many times the epochs ``longer`` makes."""
        return max(LONGER, SETTLED / max(self.passes.steps, 1))

    @cached_property
    def longer(self) -> float:
        """More epochs: eight times as many, and no fewer steps than most rules need to settle."""
        return self.outcome(longer=self.times)

    @cached_property
    def standardised(self) -> float:
        """Standardised inputs: a table by column, anything else as a whole."""
        return self.outcome(inputs=self._standard_inputs, keep="standardised")

    @cached_property
    def scaled_targets(self) -> float:
        """Standardised targets."""
        return self.outcome(y=self._standard_targets)

    @cached_property
    def scaled_both(self) -> float:
        """Standardised inputs and targets: where both are large, neither alone need help."""
        return self.outcome(inputs=self._standard_inputs, y=self._standard_targets)

    @cached_property
    def standardised_slower(self) -> float:
        """Standardised inputs and a tenth of the rate, which may each be in the way of the other."""
        return self.outcome(inputs=self._standard_inputs, rate=0.1)

    @cached_property
    def _standard_inputs(self) -> tuple[Scaling, Rows, Rows | None]:
        """The scaling and the rows of standardised inputs, in the shapes that the program is compiled for."""
        e = self.passes
        training = e.training
        mean, scale = e.standard
        base = training.scaling
        if jnp.shape(mean) == jnp.shape(base.shift) or np.asarray(training.train.x).dtype.kind != "f":
            scaling = base._replace(
                shift=jnp.asarray(np.asarray(base.shift) + mean / np.asarray(base.scale), base.shift.dtype),
                scale=jnp.asarray(scale * np.asarray(base.scale), base.scale.dtype),
            )
            return scaling, training.train, training.monitor

        def rows(part: Rows) -> Rows:
            """The part with stored rows of which the scaling of the training makes standardised ones."""
            x = (e.scaled(part.x) - mean) * scale / np.asarray(base.scale) + np.asarray(base.shift)
            return part._replace(x=jnp.asarray(x, part.x.dtype))

        return base, rows(training.train), training.monitor and rows(training.monitor)

    @cached_property
    def _standard_targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Shift and standard deviation of the targets."""
        y = self.passes.y
        deviation = y.std(0, keepdims=True)
        return y.mean(0, keepdims=True), np.where(deviation > 0, deviation, 1).astype(np.float32)

    @cached_property
    def initialised_again(self) -> float:
        """Weights of Glorot's size, biases 0."""
        rng = np.random.default_rng(1)

        def draw(path: Any, leaf: Any) -> Any:
            if path[-1].key not in ("weights", "recurrent"):
                return jnp.zeros_like(leaf) if path[-1].key == "biases" else leaf
            limit = np.sqrt(6 / sum(fans(leaf.shape)))
            return jnp.asarray(rng.uniform(-limit, limit, leaf.shape), leaf.dtype)

        return self.outcome(params=jax.tree_util.tree_map_with_path(draw, self.passes.params_start))

    @cached_property
    def unpenalised(self) -> float:
        """No penalty on the weights."""
        none = jax.tree.map(jnp.zeros_like, self.passes.training.state.regularizer)
        return self.outcome(regularizer=none)

    @cached_property
    def smaller_batch(self) -> float:
        """Batches of the usual size, which make more updates in as many epochs."""
        return self.outcome(program=replace(self.passes.run.program, batch_size=USUAL_BATCH))

    @cached_property
    def larger_batch(self) -> float:
        """Batches of the usual size, and as many epochs as still leave fewer updates."""
        size = self.passes.run.program.batch_size
        program = replace(self.passes.run.program, batch_size=USUAL_BATCH)
        return self.outcome(program=program, longer=max(1.0, USUAL_BATCH / size / 4))

    @cached_property
    def undropped(self) -> float:
        """No dropout."""
        e = self.passes
        layers = [replace(layer, rate=0.0) if isinstance(layer, Dropout) else layer for layer in e.network.layers]
        return self.outcome(program=replace(e.run.program, network=e.network.with_layers(layers)))


def _with_rate(optimizer: Any, rate: float) -> Any:
    """A copy of another rate, one below 0 as it is."""
    copy = replace(optimizer, learning_rate=abs(rate))
    object.__setattr__(copy, "learning_rate", rate)
    return copy
