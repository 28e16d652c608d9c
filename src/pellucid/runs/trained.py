"""The record of a training, read by all that is built on runs."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Self

import jax
import msgspec
import numpy as np

from pellucid.architectures.gan import GAN
from pellucid.core.errors import (
    DataError,
    DataWarning,
    InvalidValue,
    ShapeError,
    StorageError,
    UnknownName,
    did_you_mean,
)
from pellucid.core.precision import double_precision, in_its_precision
from pellucid.data import Dataset, Part
from pellucid.data.arrays import as_weights
from pellucid.data.encoding import as_array, as_float32
from pellucid.data.groups import GroupsEncoder
from pellucid.data.several import by_name
from pellucid.data.table_source import is_streamed
from pellucid.data.tables import TableEncoder
from pellucid.data.targets import AS_ROWS, NO_LABEL
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
from pellucid.runs import streams
from pellucid.runs.experiment import Experiment
from pellucid.runs.facts import DataFacts
from pellucid.runs.folder import RunFolder
from pellucid.runs.measures import built, by_output, check_metrics, measure
from pellucid.runs.notes import Notes
from pellucid.runs.outputs import loss_and_metric, output_mask, outputs_of
from pellucid.runs.ready import metrics_of_output, summary_of, target_for
from pellucid.runs.scaling import scaling_of
from pellucid.runs.starting import StartingWeights, of_gan
from pellucid.training import Adversarial, History, Scaling, Snapshots, Training, TrainingState, state_template

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

    def as_inputs(self, x: Any, unknown: bool = False) -> Any:
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
        encoder, names = self.facts.encoder, self.facts.inputs
        by_input = names and (isinstance(x, tuple) or (isinstance(x, Mapping) and set(x) == set(names)))
        if isinstance(encoder, TableEncoder) or (isinstance(encoder, GroupsEncoder) and not by_input):
            if not self._is_encoded(x):
                x, flags, notes = encoder.encode_flagged(x, unknown)
                _warn_of_rows(flags, notes)
        elif encoder is not None and not by_input and (not isinstance(x, (np.ndarray, jax.Array)) or _holds_texts(x)):
            x = encoder.encode(x)
        if isinstance(x, (str, PathLike)):
            raise DataError(
                f"{str(x)!r} is a file, and {self.facts.name!r} was trained on arrays: it holds no columns to read a "
                f"table by. Give an array of shape (rows, {', '.join(map(str, self.facts.input_shape))}), such as "
                "np.loadtxt(path, delimiter=',', skiprows=1); or train on a table, load_table(path, target=column)."
            )
        if self.facts.inputs:
            return self._each_input(by_name(x, self.facts.inputs, "x"))
        x = as_array(x, "x")
        self.network.check_input(x, self.facts.input_shape)
        self.facts.preprocessing.check(x)
        check_tokens(self.network, x)
        return x if x.dtype == np.uint8 else as_float32(x, "x")

    def _each_input(self, given: dict[str, Any]) -> tuple[np.ndarray, ...]:
        arrays = {name: as_array(x, name) for name, x in given.items()}
        arrays = {name: x[:, None] if x.ndim == 1 else x for name, x in arrays.items()}
        x = tuple(arrays.values())
        self.network.check_input(x, self.facts.input_shape)
        if len({len(array) for array in x}) > 1:
            raise ShapeError(
                f"the inputs differ in rows: {', '.join(f'{name} {len(array)}' for name, array in arrays.items())}."
            )
        self.facts.preprocessing.check(x)
        for name, array in arrays.items():
            check_tokens(self.network, array, name, name)
        return tuple(array if array.dtype == np.uint8 else as_float32(array, name) for name, array in arrays.items())

    def output(self, name: str) -> Self:
        """The record of one of several outputs alone: the same layers, its loss, its metric, its classes.

        Args:
            name: of the output.

        Raises:
            UnknownName: the network has no such output.
        """
        names = tuple(self.facts.heads)
        if name not in names:
            known = f"Its outputs: {', '.join(names)}." if names else "It has one."
            raise UnknownName(f"the run has no output {name!r}.{did_you_mean(name, names)} {known}")
        own = metrics_of_output(self.experiment, self.network.ending_in(name))
        return replace(
            self,
            experiment=msgspec.structs.replace(self.experiment, metrics=own),
            facts=self.facts.of_output(name),
            program=self.program.output(names.index(name)),
            data=None if self.data is None else self.data.of_output(name),
            result={},
            training=None,
            held_out_outputs=None,
        )

    def _is_encoded(self, x: Any) -> bool:
        """True for an array of inputs as the network takes them, rather than of a table's columns."""
        encoder = self.facts.encoder
        if not isinstance(x, (np.ndarray, jax.Array)) or x.dtype.kind not in "biuf" or np.ma.is_masked(x):
            return False
        columns = len(encoder.inputs) if isinstance(encoder, TableEncoder) else 0
        if self.facts.inputs:
            return False
        fits = x.shape[1:] == self.facts.input_shape
        return x.ndim != 2 or (fits and (x.shape[1] != columns or x.dtype == np.float32))

    def outputs(self, x: Any, unknown: bool = False) -> Any:
        """Compute the outputs: numbers of a regression in the target's own units, probabilities of a classifier.

        A loss of logits or margins leaves those: above 0 for yes, or the largest for the class.

        Args:
            x: examples as they were trained on, shape (rows, *input_shape): unscaled, the run scales them. For a
                network trained on a table also a path or data frame of the same columns. For several inputs a
                dictionary of arrays by name.
            unknown: as for ``as_inputs``.

        Returns:
            The outputs, shape (rows, …); of several a dictionary by name.

        Raises:
            ShapeError: examples of another shape.
        """
        if is_streamed(x):
            return np.concatenate(list(self.outputs_in_parts(x, unknown)))
        return self._by_name(self.outputs_of_rows(self.as_inputs(x, unknown)))

    def outputs_in_parts(self, x: Any, unknown: bool = False) -> Iterator[Any]:
        """Compute the outputs of as many rows at a time as `OUTPUT_BYTES` hold; arguments as for ``outputs``."""
        for _, outputs in self.parts_of(x, unknown):
            yield self._by_name(outputs)

    def parts_of(self, x: Any, unknown: bool = False) -> Iterator[tuple[Any, Any]]:
        """Yield some rows at a time, as they are stored, and their outputs; of a folder block by block."""
        if isinstance(self.facts.encoder, TableEncoder) and is_streamed(x):
            for part in streams.read_like(self, x, targets=False, unknown=unknown):
                yield part.x, self.outputs_of_rows(part.x, like=len(part))
        else:
            yield from self.in_parts(self.as_inputs(x, unknown))

    def in_parts(self, x: Any) -> Iterator[tuple[Any, Any]]:
        """Yield some stored rows at a time and their outputs."""
        rows, size = len(jax.tree.leaves(x)[0]), self.rows_at_a_time
        for start in range(0, max(rows, 1), size):
            some = jax.tree.map(lambda array, start=start: array[start : start + size], x)
            yield some, self.outputs_of_rows(some, like=rows)

    @property
    def rows_at_a_time(self) -> int:
        """Rows whose outputs are held at once, where not all outputs are asked for."""
        rows = summary_of(self.network, self.facts.input_shape).rows
        numbers = sum(math.prod(rows[end].output_shape) for end in self.network.ends)
        return power_of_two(max(1, OUTPUT_BYTES // max(1, self.network.dtype.itemsize * numbers)))

    @cached_property
    def _scaling(self) -> Scaling:
        """Of the inputs alone; under the precision of the network."""
        return scaling_of(self.facts.preprocessing, dtype=self.network.dtype)

    def _by_name(self, outputs: Any) -> Any:
        return dict(zip(self.facts.heads, outputs, strict=True)) if self.facts.heads else outputs

    def outputs_of_rows(self, x: Any, like: int | None = None) -> Any:
        """The outputs for stored rows, of which ``like`` are predicted in all; a tuple of arrays for several."""
        with double_precision(self.network.precision == "float64"):
            outputs = outputs_of(self.network, self.params, self.layer_state, x, self._scaling, like=like)
        return self.facts.target_preprocessing.invert_numpy(outputs)

    def predict(self, x: Any, unknown: bool = False) -> Any:
        """Predict classes (a column of 0 and 1 for each label of several), else numbers.

        An autoencoder predicts its inputs, in the units that they came in.

        Classes whose names are all whole numbers, or False and True, come as such, all others as text. Of several
        outputs a dictionary by name. Of targets at each step, shape (rows, steps), padded steps are ``""``, −1 for
        classes that are numbers, NaN for numbers. Of a transcription a text for each row, or a list of labels where
        classes are not single characters, decoded by the likeliest class of each step; `ctc_decode` searches further.

        Args:
            x: examples, as for ``outputs``.
            unknown: as for ``as_inputs``.
        """
        parts = [self.predictions_of(outputs, self.mask_of(rows)) for rows, outputs in self.parts_of(x, unknown)]
        if self.facts.heads:
            return {name: np.concatenate([part[name] for part in parts]) for name in self.facts.heads}
        return np.concatenate(parts)

    @property
    def gives_probabilities(self) -> bool:
        """True where outputs are between 0 and 1 and decide at one half, or by the largest: not scores or margins."""
        low, high = self.network.layers[self.network.ends[0]].output_range or (-np.inf, np.inf)
        return low >= 0 and high <= 1 and not self.program.loss.signed

    def predictions_of(self, outputs: Any, mask: Any = None) -> Any:
        """Convert outputs to predictions, as ``predict`` returns them.

        Args:
            outputs: of rows; a tuple of arrays for several outputs.
            mask: the real steps of the outputs, (rows, steps), for targets at each step.
        """
        if self.facts.heads:
            masks = (None,) * len(outputs) if mask is None else mask
            parts = zip(self.facts.heads, outputs, masks, strict=True)
            return {name: self.output(name).predictions_of(array, real) for name, array, real in parts}
        if self.facts.task == "transcription":
            return self.facts.sequences_of(self.program.loss.decode(outputs, mask))
        if self.facts.task in AS_ROWS:
            return self._predictions_at_steps(outputs, mask)
        if self.facts.task == "reconstruction":
            return self.facts.preprocessing.invert_numpy(outputs)
        if self.facts.task == "regression":
            return outputs[:, 0] if self.facts.outputs == 1 else outputs
        yes = outputs > self.program.loss.threshold  # as the accuracy counts
        if self.facts.task == "multilabel":
            return yes.astype(int)
        numbers = outputs.argmax(axis=1) if self.facts.task == "multiclass" else yes[:, 0].astype(int)
        return self.facts.class_values[numbers]

    def _predictions_at_steps(self, outputs: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        if self.facts.task == "forecasting":
            predictions, blank = outputs[..., 0] if outputs.shape[-1] == 1 else outputs, np.nan
        else:
            values = self.facts.class_values
            values = values.astype(object) if values.dtype == bool else values
            blank = {"U": "", "O": None}.get(values.dtype.kind, NO_LABEL)
            predictions = values[outputs.argmax(axis=-1)]
        if mask is not None:
            predictions[~np.asarray(mask)] = blank
        return predictions

    def evaluate(
        self, x: Any = None, y: Any = None, *, weights: Any = None, metrics: Sequence[Any] | None = None
    ) -> dict[str, float]:
        """Measure loss and metrics on unseen rows, by default the held-out rows of the training.

        Args:
            x: examples, as for ``outputs``; a path or data frame of a table holds the target too.
            y: their targets: class names or numbers, of several outputs a dictionary by name; None with a table, for
                the held-out rows or for an autoencoder.
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
            if self.data.stream is not None:
                return streams.measure_parts(self, self.data.stream.read_held_out(), metrics)
            return self.evaluate_part(self.data.held_out, metrics)
        if self.facts.task == "reconstruction":
            x = self.as_inputs(x)
            return self.evaluate_part(Part(x, x, as_weights(weights, len(x))), metrics)
        if y is None and is_streamed(x) and isinstance(self.facts.encoder, TableEncoder):
            return streams.measure_parts(self, streams.read_like(self, x, targets=True), metrics)
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
        x = self.as_inputs(part.x)
        rows, chosen = len(part), () if self.facts.heads else self.metrics if metrics is None else built(metrics)
        whole = bool(self.facts.heads) or any(isinstance(metric, SetMetric) for metric in chosen)
        if whole or rows <= self.rows_at_a_time:
            return self.metrics_of(self.outputs_of_rows(x), part, metrics)
        # All are means over the rows, so those of some rows at a time are put together.
        parts = [part.take(slice(i, i + self.rows_at_a_time)) for i in range(0, rows, self.rows_at_a_time)]
        sizes = [float(len(some) if some.weights is None else some.weights.sum(dtype=np.float64)) for some in parts]
        measured = [
            (self.metrics_of(outputs, some, metrics), size)
            for (_, outputs), some, size in zip(self.in_parts(x), parts, sizes, strict=True)
            if size
        ]
        return {name: sum(values[name] * size for values, size in measured) / sum(sizes) for name in measured[0][0]}

    @in_its_precision
    def metrics_of(self, outputs: Any, part: Part, metrics: Any = None) -> dict[str, float]:
        """Measure loss and metrics of outputs, the network's or any others, for the rows of a part.

        Where targets were scaled for training, the loss is of the scaled ones, the metric in the target's own units.

        Raises:
            ShapeError: outputs or targets of another shape than those trained on.
        """
        if self.facts.heads:
            return self._metrics_of_several(outputs, part, metrics)
        if self.facts.task == "reconstruction":
            target = self.facts.preprocessing.apply_numpy(part.x)
        else:
            target = target_for(self.program.loss, part.y, self.facts.outputs)
        self.program.loss.check(outputs.shape, target.shape, target.dtype)
        in_own_units = outputs, target
        if not self.facts.target_preprocessing.is_identity:
            outputs, target = map(self.facts.target_preprocessing.apply_numpy, (outputs, target))
        scaling = scaling_of(self.facts.preprocessing, self.facts.target_preprocessing, dtype=self.network.dtype)
        mask = self.mask_of(part.x)
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

    def _metrics_of_several(self, outputs: Any, part: Part, metrics: Any) -> dict[str, float]:
        """The weighted sum of the losses, then loss and metrics of each output under its name."""
        measured: dict[str, float] = {"loss": 0.0}
        for i, (name, weight) in enumerate(zip(self.facts.heads, self.program.loss.weights, strict=True)):
            asked = None if metrics is None else metrics.get(name, ())
            own = self.output(name).metrics_of(outputs[i], replace(part, y=part.y[i]), asked)
            measured["loss"] += weight * own["loss"]
            measured |= {f"{name} {metric}": value for metric, value in own.items()}
        return measured

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of a whole part that the run was asked for, beside the one of each step; of one output."""
        return () if self.facts.heads else built(self.experiment.metrics)

    @property
    def summed_up(self) -> dict[str, float]:
        """The result without the values of single classes and outputs that the setting ``metrics`` asked for."""
        asked = tuple(f"{metric.label_of_one} of " for metric in self.metrics)
        for name in self.facts.heads:
            asked += tuple(f"{name} {metric.label_of_one} of " for metric in self.output(name).metrics)
        return {name: value for name, value in self.result.items() if not name.startswith(asked)}

    def mask_of(self, x: Any) -> Any:
        """The real steps of the outputs for stored rows; None where the network answers at no step of padded sequences.

        Of several outputs a tuple of these.
        """
        if not declares_padding(self.network):
            return None
        with double_precision(self.network.precision == "float64"):
            return output_mask(self.network, self.params, self.layer_state, x, self._scaling)

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


def _holds_texts(x: Any) -> bool:
    return x.dtype.kind in "UT" or (x.dtype == object and x.size > 0 and isinstance(x.flat[0], str))


def _warn_of_rows(flags: np.ndarray, notes: Sequence[str]) -> None:
    """Warn of rows that something was made up for."""
    rows = np.flatnonzero(flags != "")
    if len(rows):
        shown = ", ".join(f"row {row}: {flags[row]}" for row in rows[:5])
        notes = [f"{len(rows):,} of {len(flags):,} rows have an unknown category ({shown})", *notes]
    if notes:
        warnings.warn("; ".join(notes), DataWarning, stacklevel=4)
