"""The record of a training, read by all that is built on runs."""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np

from pellucid.architectures.gan import GAN
from pellucid.core.errors import DataError, DataWarning, InvalidValue, StorageError
from pellucid.core.precision import double_precision, in_its_precision
from pellucid.data import Dataset, Part
from pellucid.data.arrays import as_weights
from pellucid.data.encoding import as_array, as_float32
from pellucid.data.tables import TableEncoder
from pellucid.functions.metrics import Metric
from pellucid.functions.regularizers import regularizers
from pellucid.functions.set_metrics import SetMetric
from pellucid.network import (
    ByLayer,
    Network,
    Summary,
    arrays_by_layer,
    check_tokens,
    declares_padding,
    power_of_two,
    summarize,
)
from pellucid.optimizers import as_optimizer
from pellucid.runs.experiment import Experiment
from pellucid.runs.facts import DataFacts
from pellucid.runs.folder import RunFolder
from pellucid.runs.measures import built, by_output, check_metrics, measure
from pellucid.runs.notes import Notes
from pellucid.runs.outputs import loss_and_metric, output_mask, outputs_of
from pellucid.runs.ready import summary_of, target_for
from pellucid.runs.scaling import scaling_of
from pellucid.runs.starting import StartingWeights, of_gan
from pellucid.training import Adversarial, History, Snapshots, Training, TrainingState, state_template

OUTPUT_BYTES = 2**27
"""Most bytes of outputs held at once where not all are asked for: of 10,000 classes those of 4,096 rows."""


@dataclass
class Trained:
    """The record of a finished or interrupted training: networks, settings, history, result.

    Attributes:
        experiment: its settings.
        facts: what is kept of its data.
        program: `pellucid.training.Supervised`, or `pellucid.training.Adversarial` for a GAN.
        params: the parameters to predict with: the best ones under early stopping, else the last; averaged over the
            steps with ``average_weights``. Of a GAN by network; those of ``generator`` averaged over the last of its
            steps.
        layer_state: what the layers carry, such as running means.
        history: per step, per epoch and per layer, as tables. Of a GAN, ``loss`` is the critic's, without its penalty.
        result: loss and metric on the held-out rows; of a GAN, both losses in the last epoch.
        stopped: why it ended: ``"epochs"``, ``"early"``, ``"callback"``, ``"interrupted"`` or ``"diverged"``.
        folder: where it was saved; None if it was not.
        training: the training itself; None for a run that was loaded.
        data: what it was trained on; None for a run that was loaded.
        held_out_outputs: the outputs for its held-out rows, kept where a page needs them again.
        row_weights: what each training row weighed, of a run that was loaded; None where all weighed the same.
        resumed: where settings changed when it was resumed: epoch, step, and what each was before and after.
        changes: what callbacks changed on the way, or that one ended it: epoch, step, callback, setting, before, after.
        notes: what was reported of it: choices, problems before its first step, what the doctor suspects.
        seconds: of training, where many were trained together an even part.
        initial: the arrays that layers started from, by layer; None where all were initialised.
    """

    experiment: Experiment
    facts: DataFacts
    program: Any
    params: Any
    layer_state: Any
    history: History
    result: dict[str, float] = field(default_factory=dict)
    stopped: str = "epochs"
    folder: Path | None = None
    training: Training | None = None
    data: Dataset | None = None
    held_out_outputs: np.ndarray | None = field(default=None, repr=False)
    row_weights: np.ndarray | None = field(default=None, repr=False)
    resumed: tuple[dict[str, Any], ...] = ()
    changes: tuple[dict[str, Any], ...] = ()
    notes: Notes = Notes()
    seconds: float | None = None
    initial: StartingWeights | None = field(default=None, repr=False)

    @classmethod
    def of_training(
        cls, training: Training, experiment: Experiment, data: Dataset | None, facts: DataFacts, stopped: str = "epochs"
    ) -> Self:
        """The record of a training as it is now."""
        params, layer_state = training.params, training.layer_state
        if experiment.adversarial:
            params = {"generator": params["average"], "critic": params["critic"]}
        return cls(
            experiment,
            facts,
            training.program,
            params,
            layer_state,
            training.history,
            stopped=stopped,
            training=training,
            data=data,
            changes=tuple(training.changes),
        )

    @property
    def adversarial(self) -> bool:
        """True for a GAN."""
        return isinstance(self.program, Adversarial)

    @property
    def network(self) -> Network:
        """The network, with a `Flatten` in front where the examples needed one.

        Raises:
            InvalidValue: it is of a GAN, which has two: see ``networks``.
        """
        if self.adversarial:
            raise InvalidValue(
                "this run is of a GAN, which has two networks: run.networks. It makes examples by run.sample(count)."
            )
        return self.program.network

    @property
    def networks(self) -> dict[str, Network]:
        """The networks by name: ``generator`` and ``critic`` of a GAN; of any other run the one, named ``""``."""
        if self.adversarial:
            return {"generator": self.program.generator, "critic": self.program.critic}
        return {"": self.program.network}

    @property
    def weights(self) -> ByLayer:
        """The parameters of each layer and what it carries, such as running means, by layer and name."""
        return {
            layer: {name: np.asarray(array) for name, array in arrays.items()}
            for layer, arrays in arrays_by_layer(self.network, self.params, self.layer_state).items()
        }

    def as_starting_weights(self) -> StartingWeights:
        """The weights as another training starts from them."""
        if self.adversarial:
            raise of_gan()
        source = f"the run {self.name}" if self.folder is None else str(self.folder)
        return StartingWeights(source, self.weights, self.facts)

    @property
    def summaries(self) -> dict[str, Summary]:
        """Each network as a table: layer, output shape, parameters, memory, multiply-adds."""
        if self.adversarial:
            program = self.program
            return GAN(program.generator, program.critic, program.latent).summaries(self.facts.input_shape)
        return {"": summarize(self.network, self.facts.input_shape)}

    @property
    def summary(self) -> Summary:
        """The network as a table: layer, output shape, parameters, memory, multiply-adds."""
        return summarize(self.network, self.facts.input_shape)

    @property
    def manifest(self) -> dict[str, Any]:
        """Contents of ``manifest.json`` beside the versions: the data, and all that repeating needs."""
        again = {"resumed": list(self.resumed)} if self.resumed else {}
        by_callbacks = {"changes": list(self.changes)} if self.changes else {}
        return {"data": self.facts.to_dict(), "seed": self.experiment.seed, **again, **by_callbacks}

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose network was kept, counted from 1; None without early stopping, which keeps the last."""
        losses = self.history.held_out[:, 0]
        stopping = self.experiment.stopping
        return None if stopping is None or not len(losses) else stopping.best_epoch(losses) + 1

    @property
    def snapshots(self) -> Snapshots:
        """States along the training by number of steps; empty without the setting ``snapshots``.

        Raises:
            StorageError: of a loaded run whose optimiser came from Optax, which its folder cannot describe.
        """
        if self.folder is not None:
            files = RunFolder(self.folder)
            return Snapshots(tuple(files.snapshot_steps()), files.read_snapshot, self._template)
        states = {} if self.training is None or self.training.snapshots is None else self.training.snapshots.taken
        return Snapshots(tuple(states), states.__getitem__, self._template)

    @in_its_precision
    def _template(self, step: int) -> TrainingState:
        """A state of the shapes that the training had at a step, before which it may have had another optimiser."""
        changes = [
            change["changed"]["optimizer"]["before"]
            for change in self.resumed
            if "optimizer" in change["changed"] and step < change["step"]
        ]
        optimizer = changes[0] if changes else self.experiment.optimizer
        if not changes and self.training is not None:
            return self.training.state
        if optimizer == "optax":
            raise StorageError(
                "the optimizer of this run came from Optax, so its states cannot be read from its folder. "
                "Train it again and use the run that train returns."
            )
        regularizer = self.experiment.regularizer
        return state_template(
            self.network,
            as_optimizer(optimizer),
            None if regularizer is None else regularizers.build(regularizer),
            self.facts.input_shape,
        )

    def as_inputs(self, x: Any, unknown: bool = False) -> np.ndarray:
        """Convert examples to the network's input: encode table rows, check shapes of arrays.

        Args:
            x: an array of shape (rows, *input_shape); or, for a run on a table, a path, data frame or dictionary, whose
                columns are matched by name, or an array of the same columns in the same order.
            unknown: of a table, take a category that the training did not see as none of those it saw, with a warning
                that names the rows.

        Raises:
            DataError: a value that is no finite number, or a token that the network's embedding does not know; the text
                names its index.
            ShapeError: examples of another shape.

        Warns:
            DataWarning: rows with an unknown category, or with missing values that were filled in.
        """
        if self.adversarial:
            raise InvalidValue(
                "a GAN predicts nothing: run.sample(count) generates examples, run.score(x) scores them."
            )
        encoder = self.facts.encoder
        if isinstance(encoder, TableEncoder):
            if not self._is_encoded(x):
                x, flags, notes = encoder.encode_flagged(x, unknown)
                _warn_of_rows(flags, notes)
        elif encoder is not None and not isinstance(x, (np.ndarray, jax.Array)):
            x = encoder.encode(x)
        if isinstance(x, (str, PathLike)):
            raise DataError(
                f"{str(x)!r} is a file, and {self.facts.name!r} was trained on arrays: it holds no columns to read a "
                f"table by. Give an array of shape (rows, {', '.join(map(str, self.facts.input_shape))}), such as "
                "np.loadtxt(path, delimiter=',', skiprows=1); or train on a table, load_table(path, target=column)."
            )
        x = as_array(x, "x")
        self.network.check_input(x, self.facts.input_shape)
        self.facts.preprocessing.check(x)
        check_tokens(self.network, x)
        return x if x.dtype == np.uint8 else as_float32(x, "x")

    def _is_encoded(self, x: Any) -> bool:
        """True for an array of inputs as the network takes them, rather than of a table's columns."""
        encoder = self.facts.encoder
        if not isinstance(x, (np.ndarray, jax.Array)) or x.dtype.kind not in "biuf" or np.ma.is_masked(x):
            return False
        columns = len(encoder.inputs) if isinstance(encoder, TableEncoder) else 0
        fits = x.shape[1:] == self.facts.input_shape
        return x.ndim != 2 or (fits and (x.shape[1] != columns or x.dtype == np.float32))

    def outputs(self, x: Any, unknown: bool = False) -> np.ndarray:
        """Compute the outputs: numbers of a regression in the target's own units, probabilities of a classifier.

        A loss of logits or margins leaves those: above 0 for yes, or the largest for the class.

        Args:
            x: examples as they were trained on, shape (rows, *input_shape): unscaled, the run scales them. For a
                network trained on a table also a path or data frame of the same columns.
            unknown: as for ``as_inputs``.

        Raises:
            ShapeError: examples of another shape.
        """
        x = self.as_inputs(x, unknown)
        return self._outputs(x, _count(x))

    def outputs_in_parts(self, x: Any, unknown: bool = False) -> Iterator[np.ndarray]:
        """Compute the outputs of as many rows at a time as `OUTPUT_BYTES` hold; arguments as for ``outputs``."""
        x = self.as_inputs(x, unknown)
        rows, size = _count(x), self.rows_at_a_time
        for start in range(0, max(rows, 1), size):
            yield self._outputs(jax.tree.map(lambda array, start=start: array[start : start + size], x), rows)

    @property
    def rows_at_a_time(self) -> int:
        """Rows whose outputs are held at once, where not all outputs are asked for."""
        shape = summary_of(self.network, self.facts.input_shape).rows[self.network.ends[0]].output_shape
        return power_of_two(max(1, OUTPUT_BYTES // max(1, self.network.dtype.itemsize * math.prod(shape))))

    def _outputs(self, x: Any, like: int) -> np.ndarray:
        with double_precision(self.network.precision == "float64"):
            scaling = scaling_of(self.facts.preprocessing, dtype=self.network.dtype)
            outputs = outputs_of(self.network, self.params, self.layer_state, x, scaling, like=like)
        return self.facts.target_preprocessing.invert_numpy(outputs)

    def predict(self, x: Any, unknown: bool = False) -> np.ndarray:
        """Predict classes (a column of 0 and 1 for each label of several), else numbers.

        An autoencoder predicts its inputs, in the units that they came in.

        Classes whose names are all whole numbers, or False and True, come as such, all others as text.

        Args:
            x: examples, as for ``outputs``.
            unknown: as for ``as_inputs``.
        """
        return np.concatenate([self.predictions_of(outputs) for outputs in self.outputs_in_parts(x, unknown)])

    def predictions_of(self, outputs: np.ndarray) -> np.ndarray:
        """Convert outputs to predictions, as ``predict`` returns them."""
        if self.facts.task == "reconstruction":
            return self.facts.preprocessing.invert_numpy(outputs)
        if self.facts.task == "regression":
            return outputs[:, 0] if self.facts.outputs == 1 else outputs
        yes = outputs > self.program.loss.threshold  # as the accuracy counts
        if self.facts.task == "multilabel":
            return yes.astype(int)
        numbers = outputs.argmax(axis=1) if self.facts.task == "multiclass" else yes[:, 0].astype(int)
        return self.facts.class_values[numbers]

    def evaluate(
        self, x: Any = None, y: Any = None, *, weights: Any = None, metrics: Sequence[Any] | None = None
    ) -> dict[str, float]:
        """Measure loss and metrics on unseen rows, by default the held-out rows of the training.

        Args:
            x: examples, as for ``outputs``; a path or data frame of a table holds the target too.
            y: their targets: class names or numbers; None with a table, for the held-out rows or for an autoencoder.
            weights: what each row weighs: the metrics are then Σ w l / Σ w.
            metrics: metrics of the whole set, as for `pellucid.train`; by default those that the run was asked for.

        Raises:
            DataError: no rows to evaluate on, or targets that are none of the classes.
            ShapeError: x and y differ in length, or in shape from what was trained on.
        """
        if x is None:
            if weights is not None:
                raise DataError("weights are of rows: give the examples x that they belong to, too.")
            if metrics is None:
                return dict(self.result)
            if self.data is None or self.data.held_out is None:
                raise DataError("this run holds no rows to measure other metrics on: give the examples x, and y.")
            return self.evaluate_part(self.data.held_out, metrics)
        if self.facts.task == "reconstruction":
            x = self.as_inputs(x)
            return self.evaluate_part(Part(x, x, as_weights(weights, len(x))), metrics)
        if y is None:
            if self.facts.encoder is None:
                self.as_inputs(x)  # says where x is no examples either
                raise DataError("evaluate needs the targets y of the examples x.")
            x, y = self.facts.encoder.encode_with_targets(x)
        x = self.as_inputs(x)
        return self.evaluate_part(Part(x, self.facts.encode_target(y), as_weights(weights, len(x))), metrics)

    def evaluate_part(self, part: Part, metrics: Sequence[Any] | None = None) -> dict[str, float]:
        """Measure loss and metrics on a part of a dataset of the same kind.

        Raises:
            ShapeError: examples or targets of another shape than those trained on.
        """
        chosen = self.metrics if metrics is None else built(metrics)
        if len(part) <= self.rows_at_a_time or any(isinstance(metric, SetMetric) for metric in chosen):
            return self.metrics_of(self.outputs(part.x), part, metrics)
        # All are means over the rows, so those of some rows at a time are put together.
        starts = range(0, len(part), self.rows_at_a_time)
        parts = [part.take(slice(start, start + self.rows_at_a_time)) for start in starts]
        sizes = [float(len(some) if some.weights is None else some.weights.sum(dtype=np.float64)) for some in parts]
        measured = [
            (self.metrics_of(outputs, some, metrics), size)
            for outputs, some, size in zip(self.outputs_in_parts(part.x), parts, sizes, strict=True)
            if size
        ]
        return {name: sum(values[name] * size for values, size in measured) / sum(sizes) for name in measured[0][0]}

    @in_its_precision
    def metrics_of(self, outputs: np.ndarray, part: Part, metrics: Sequence[Any] | None = None) -> dict[str, float]:
        """Measure loss and metrics of outputs, the network's or any others, for the rows of a part.

        Where targets were scaled for training, the loss is of the scaled ones, the metric in the target's own units.

        Raises:
            ShapeError: outputs or targets of another shape than those trained on.
        """
        if self.facts.task == "reconstruction":
            target = self.facts.preprocessing.apply_numpy(part.x)
        else:
            target = target_for(self.program.loss, part.y, self.facts.outputs)
        self.program.loss.check(outputs.shape, target.shape, target.dtype)
        in_own_units = outputs, target
        if not self.facts.target_preprocessing.is_identity:
            outputs, target = map(self.facts.target_preprocessing.apply_numpy, (outputs, target))
        scaling = scaling_of(self.facts.preprocessing, self.facts.target_preprocessing, dtype=self.network.dtype)
        mask = self._mask(part.x)
        loss, metric = loss_and_metric(self.program, scaling, outputs, target, mask)
        measured = {
            "loss": float(np.average(loss, weights=part.weights)),
            self.program.metric.name: float(np.average(metric, weights=part.weights)),
        }
        each = by_output(self.program.metric, self.facts, *in_own_units, part.weights)
        measured |= {f"{self.program.metric.name} of {name}": value for name, value in each.items()}
        if metrics is None:
            chosen = self.metrics
        else:
            chosen = built(metrics)
            check_metrics(chosen, self.network, self.program.loss, self.facts)
        return measured | measure(chosen, self.facts, self.network, self.program.loss, *in_own_units, part, mask)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of a whole part that the run was asked for, beside the one of each step."""
        return built(self.experiment.metrics)

    @property
    def summed_up(self) -> dict[str, float]:
        """The result without the values of single classes and outputs that the setting ``metrics`` asked for."""
        asked = tuple(f"{metric.label_of_one} of " for metric in self.metrics)
        return {name: value for name, value in self.result.items() if not name.startswith(asked)}

    def _mask(self, x: np.ndarray) -> np.ndarray | None:
        """The real steps of the outputs for stored rows, where the network answers at each step of padded sequences."""
        if not declares_padding(self.network):
            return None
        scaling = scaling_of(self.facts.preprocessing, dtype=self.network.dtype)
        mask = output_mask(self.network, self.params, self.layer_state, scaling, x)
        return None if mask is None else np.asarray(mask)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {' · '.join(str(self).splitlines())}>"

    def __str__(self) -> str:
        metrics = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in self.summed_up.items())
        rows = "last epoch" if self.adversarial else "held-out rows"
        lines = [f"{self.name}: {self.ending}", f"{rows}: {metrics or 'none'}"]
        return "\n".join([*lines, self.not_finite] if self.not_finite else lines)

    @property
    def name(self) -> str:
        """Name of the run: the setting ``name``, else data and network."""
        return self.experiment.name or self.facts.name

    @property
    def ending(self) -> str:
        """Number of epochs made, and the reason why no more."""
        ends = {
            "epochs": "",
            "early": ", stopped early: the loss on the validation part no longer fell",
            "interrupted": ", interrupted",
            "diverged": ", diverged: the loss became NaN or infinite",
            "callback": f", stopped by a callback: {self.changes[-1].get('stop')}" if self.changes else "",
        }
        best = "" if self.best_epoch is None else f"; weights of the best epoch kept, number {self.best_epoch}"
        return f"{self.history.epochs_made} of {self.experiment.epochs} epochs{ends[self.stopped]}{best}"

    @property
    def not_finite(self) -> str:
        """The metrics of the held-out rows that are not finite, in a sentence; empty where all are."""
        asked = {metric.label for metric in self.metrics}  # one that a set leaves undefined has said so
        values = {name: value for name, value in self.summed_up.items() if name not in asked}
        names = [name.replace("_", " ") for name, value in values.items() if not np.isfinite(value)]
        if not names:
            return ""
        return f"the {' and '.join(names)} of the held-out rows {'is' if len(names) == 1 else 'are'} not finite"


def _count(x: Any) -> int:
    return len(jax.tree.leaves(x)[0])


def _warn_of_rows(flags: np.ndarray, notes: Sequence[str]) -> None:
    """Warn of rows that something was made up for."""
    rows = np.flatnonzero(flags != "")
    if len(rows):
        shown = ", ".join(f"row {row}: {flags[row]}" for row in rows[:5])
        notes = [f"{len(rows):,} of {len(flags):,} rows have an unknown category ({shown})", *notes]
    if notes:
        warnings.warn("; ".join(notes), DataWarning, stacklevel=4)
