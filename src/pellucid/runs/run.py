"""A run: the network that a training left, with all that is needed to use it, save it and load it."""

import importlib
import warnings
from dataclasses import dataclass, field, fields
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import DataError, DoctorWarning, StorageError
from pellucid.core.types import Params, State
from pellucid.data import Dataset, Encoder, Part, Preprocessing, TableEncoder
from pellucid.data.arrays import as_weights
from pellucid.data.encoding import Target, Task, as_array, as_float32
from pellucid.functions.losses import Loss, losses
from pellucid.functions.masking import masked_value
from pellucid.functions.regularizers import regularizers
from pellucid.runs.experiment import Experiment
from pellucid.architectures.feedforward import fitting_metric
from pellucid.runs.notes import Notes
from pellucid.runs.pages import kept_page, page_of_run
from pellucid.runs.scaling import scaling_of
from pellucid.network import (
    AnyNetwork,
    Summary,
    build_network,
    check_tokens,
    declares_padding,
    power_of_two,
    rows_at_once,
    summarize,
)
from pellucid.optimizers import as_optimizer
from pellucid.report.figures import draw_history
from pellucid.runs.folder import RunFolder
from pellucid.training import (
    EarlyStopping,
    History,
    Scaling,
    Snapshots,
    Supervised,
    Training,
    TrainingState,
    arrays_of,
    from_arrays,
    initial_state,
    to_arrays,
)

FEWEST = 64
"""Rows that loss and metric are computed for at least, so that they are compiled for few sizes."""
PREPARED = ("preprocessing", "target_preprocessing")
"""The facts of a dataset that are arrays."""


@dataclass(frozen=True)
class DataFacts:
    """What a run keeps of its data: how inputs are read and how outputs are named; no rows."""

    name: str
    task: Task
    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    outputs: int
    rows: int
    held_out_rows: int
    fingerprint: str
    preprocessing: Preprocessing
    target_preprocessing: Preprocessing
    encoder: Encoder | None

    @staticmethod
    def of(data: Dataset) -> "DataFacts":
        """The facts of a dataset."""
        held_out = 0 if data.held_out is None else len(data.held_out)
        return DataFacts(
            data.name, data.task, data.classes, data.input_shape, data.outputs, len(data.train),
            held_out, data.fingerprint, data.preprocessing, data.target_preprocessing, data.encoder,
        )

    def encode_target(self, y: Any) -> np.ndarray:
        """Targets of one's own as they are stored: class names or numbers, 1-D or one column, as class numbers.

        Raises:
            DataError: a label that is none of the classes.
        """
        y = as_array(y, "y")
        if y.dtype == object:  # a column of a data frame
            y = np.array(y.tolist())
        columns = 1 if y.ndim == 1 else y.shape[-1]
        labels: tuple[int | str, ...] = ()
        if self.classes and columns == 1 and self.task != "multilabel":
            labels = self._labels_of(y)
        return Target(self.task, self.classes, labels).encode(y)

    def _labels_of(self, y: np.ndarray) -> tuple[int | str, ...]:
        """What each class is called in ``y``: by name; or, where no name is a number, by its number."""
        if y.dtype.kind not in "iuf":
            return self.classes
        if any(map(_whole, self.classes)):
            return tuple(int(name) if _whole(name) else name for name in self.classes)
        return tuple(range(len(self.classes)))

    @property
    def class_values(self) -> np.ndarray:
        """The classes as predictions give them: numbers and booleans as such, all else as text."""
        if all(map(_whole, self.classes)):
            return np.array([int(name) for name in self.classes])
        if set(self.classes) <= {"False", "True"}:
            return np.array([name == "True" for name in self.classes])
        return np.array(self.classes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-like, without the arrays of `PREPARED`."""
        plain = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in PREPARED
        }
        return plain | {"encoder": None if self.encoder is None else self.encoder.to_dict()}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays that ``to_dict`` leaves out."""
        return {
            f"{part}/{name}": array
            for part in PREPARED
            for name, array in getattr(self, part).to_dict().items()
        }

    @staticmethod
    def from_dict(plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> "DataFacts":
        """What ``to_dict`` and ``to_arrays`` wrote."""
        encoder = None if plain["encoder"] is None else Encoder.restore(plain["encoder"])
        tuples = {name: tuple(plain[name]) for name in ("classes", "input_shape")}
        prepared = {part: Preprocessing.from_dict(under(part, arrays)) for part in PREPARED}
        facts: dict[str, Any] = plain | tuples | {"encoder": encoder} | prepared
        return DataFacts(**facts)


@dataclass
class Run:
    """A training that ended, or was interrupted, and the network that came of it.

    Attributes:
        network: the network, with a `Flatten` in front where the examples needed one.
        params: the parameters to predict with: the best ones under early stopping, else the last.
        history: per step, per epoch and per layer, as tables.
        result: loss and metric on the held-out rows.
        stopped: why it ended: ``"epochs"``, ``"early"``, ``"interrupted"``, or ``"diverged"`` where it was loaded.
        folder: where it was saved; None if it was not.
        data: what it was trained on; None for a run that was loaded.
        held_out_outputs: the outputs for its held-out rows, kept where a page of the run needs them again.
        row_weights: what each row of the training weighed, of a run that was loaded; None where all weighed the same.
        resumed: where settings changed when it was resumed: epoch, step, and what each was before and after.
        notes: what was said of it: choices, problems before its first step, what the doctor suspects.
    """

    network: AnyNetwork
    params: tuple[Params, ...]
    layer_state: tuple[State, ...]
    program: Supervised
    experiment: Experiment
    facts: DataFacts
    history: History
    result: dict[str, float]
    stopped: str = "epochs"
    folder: Path | None = None
    training: Training | None = None
    data: Dataset | None = None
    held_out_outputs: np.ndarray | None = field(default=None, repr=False)
    row_weights: np.ndarray | None = field(default=None, repr=False)
    resumed: tuple[dict[str, Any], ...] = ()
    notes: Notes = Notes()

    @property
    def manifest(self) -> dict[str, Any]:
        """What ``manifest.json`` holds beside the versions in use: the data, and what else repeating it takes."""
        again = {"resumed": list(self.resumed)} if self.resumed else {}
        return {"data": self.facts.to_dict(), "seed": self.experiment.seed, **again}

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose network was kept, sample_mask from 1; None without early stopping, which keeps the last."""
        losses = self.history.held_out[:, 0]
        if self.experiment.patience is None or not len(losses):
            return None
        return EarlyStopping(self.experiment.patience, self.experiment.min_delta).best_epoch(losses) + 1

    @property
    def snapshots(self) -> Snapshots:
        """The states along the training by the number of steps made; none unless it was asked for them.

        Raises:
            StorageError: of a loaded run whose optimiser came from Optax, which its folder cannot describe.
        """
        if self.folder is not None:
            files = RunFolder(self.folder)
            return Snapshots(tuple(files.snapshot_steps()), files.read_snapshot, self._template)
        taken = (
            {} if self.training is None or self.training.snapshots is None else self.training.snapshots.taken
        )
        return Snapshots(tuple(taken), taken.__getitem__, self._template)

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
        return initial_state(
            self.network,
            as_optimizer(optimizer),
            None if regularizer is None else regularizers.build(regularizer),
            self.facts.input_shape,
            self.experiment.seed,
        )

    @property
    def summary(self) -> Summary:
        """The network as a table: layer, output shape, parameters, memory, multiply-adds."""
        return summarize(self.network, self.facts.input_shape)

    def encode(self, x: Any) -> np.ndarray:
        """Examples as the network takes them: the rows of a table encoded, arrays checked for their shape.

        Args:
            x: an array of shape (rows, *input_shape); or, for a run on a table, a path or data frame.

        Raises:
            DataError: a value that is no finite number, or a token that the network's embedding does not know; the text
                names its place.
            ShapeError: examples of another shape.
        """
        if self.facts.encoder is not None and not isinstance(x, (np.ndarray, jax.Array)):
            x = self.facts.encoder.encode(x)
        if isinstance(x, (str, PathLike)):
            raise DataError(
                f"{str(x)!r} is a file, and {self.facts.name!r} was trained on arrays: it holds no columns to read a "
                f"table by. Give an array of shape (rows, {', '.join(map(str, self.facts.input_shape))}), such as "
                "np.loadtxt(path, delimiter=',', skiprows=1); or train on a table, load_table(path, target=column)."
            )
        x = as_array(x, "x")
        self.network.check_input(x, self.facts.input_shape)
        check_tokens(self.network, x)
        return x if x.dtype == np.uint8 else as_float32(x, "x")

    def outputs(self, x: Any) -> np.ndarray:
        """The network's outputs: numbers of a regression in the target's own units, probabilities of a classifier.

        A loss of logits or margins leaves those: above 0 for yes, or the largest for the class.

        Args:
            x: examples as they were trained on, shape (rows, *input_shape): unscaled, the run scales them. For a
                network trained on a table also a path or data frame of the same columns.

        Raises:
            ShapeError: examples of another shape.
        """
        scaling = scaling_of(self.facts.preprocessing)
        outputs = outputs_of(self.network, self.params, self.layer_state, self.encode(x), scaling)
        return self.facts.target_preprocessing.invert_numpy(outputs)

    def predict(self, x: Any) -> np.ndarray:
        """The predictions: classes of a classifier (a column of 0 and 1 for each label of several), else numbers.

        An autoencoder predicts its inputs, in the units that they came in.

        Classes whose names are all whole numbers, or False and True, come as such, all others as text.

        Args:
            x: examples, as for ``outputs``.
        """
        outputs = self.outputs(x)
        if self.facts.task == "reconstruction":
            return self.facts.preprocessing.invert_numpy(outputs)
        if self.facts.task == "regression":
            return outputs[:, 0] if self.facts.outputs == 1 else outputs
        yes = outputs > self.program.loss.threshold  # as the accuracy counts
        if self.facts.task == "multilabel":
            return yes.astype(int)
        chosen = outputs.argmax(axis=1) if self.facts.task == "multiclass" else yes[:, 0].astype(int)
        return self.facts.class_values[chosen]

    def evaluate(self, x: Any = None, y: Any = None, *, weights: Any = None) -> dict[str, float]:
        """Loss and metric on rows of one's own, or on the held-out rows of the training.

        Args:
            x: examples, as for ``outputs``; a path or data frame of a table holds the target too.
            y: their targets: class names or numbers; None with a table, for the held-out rows or for an autoencoder.
            weights: what each row weighs: the figures are then Σ w l / Σ w.

        Raises:
            DataError: no rows to evaluate on, or targets that are none of the classes.
            ShapeError: x and y differ in length, or in shape from what was trained on.
        """
        if x is None:
            if weights is not None:
                raise DataError("weights are of rows: give the examples x that they belong to, too.")
            return dict(self.result)
        if self.facts.task == "reconstruction":
            x = self.encode(x)
            return self.evaluate_part(Part(x, x, as_weights(weights, len(x))))
        if y is None:
            if not isinstance(self.facts.encoder, TableEncoder):
                self.encode(x)  # says where x is no examples either
                raise DataError("evaluate needs the targets y of the examples x.")
            y = self.facts.encoder.target_values(x)
        x = self.encode(x)
        return self.evaluate_part(Part(x, self.facts.encode_target(y), as_weights(weights, len(x))))

    def evaluate_part(self, part: Part) -> dict[str, float]:
        """Loss and metric on a part of a dataset of the same kind.

        Raises:
            ShapeError: examples or targets of another shape than those trained on.
        """
        return self.figures(self.outputs(part.x), part)

    def figures(self, outputs: np.ndarray, part: Part) -> dict[str, float]:
        """Loss and metric of the network's outputs, or of any others, for the rows of a part.

        Where targets were scaled for training, the loss is of the scaled ones, the metric in the target's own units.

        Raises:
            ShapeError: outputs or targets of another shape than those trained on.
        """
        if self.facts.task == "reconstruction":
            target = self.facts.preprocessing.apply_numpy(part.x)
        else:
            target = target_for(self.program.loss, part.y, self.facts.outputs)
        self.program.loss.check(outputs.shape, target.shape, target.dtype)
        if not self.facts.target_preprocessing.is_identity:
            outputs, target = map(self.facts.target_preprocessing.apply_numpy, (outputs, target))
        scaling = scaling_of(self.facts.preprocessing, self.facts.target_preprocessing)
        loss, metric = _loss_and_metric(self.program, scaling, outputs, target, self._mask(part.x))
        return {
            "loss": float(np.average(loss, weights=part.weights)),
            self.program.metric.name: float(np.average(metric, weights=part.weights)),
        }

    def _mask(self, x: np.ndarray) -> np.ndarray | None:
        """The real steps of the outputs for stored rows, where the network answers at each step of padded sequences."""
        if not declares_padding(self.network):
            return None
        found = _output_mask(
            self.network, self.params, self.layer_state, scaling_of(self.facts.preprocessing), x
        )
        return None if found is None else np.asarray(found)

    def explain(self, x: Any, y: Any = None, *, neuron: str | None = None, weight: str | None = None) -> Any:
        """One example through the network with every number, each derivative checked; see `pellucid.explanations`.

        Args:
            x: one example, as for ``outputs``.
            y: its target: a class name or number, or numbers; None for an autoencoder.
            neuron: ``"LAYER:UNIT"``, the neuron whose largest gradient is followed.
            weight: ``"LAYER:i,j"``, the weight that is followed.

        Returns:
            A `pellucid.explanations.Explanation`.
        """
        # Explaining stands on a floor above: by name, so that this one does not import it.
        explaining = importlib.import_module("pellucid.explanations")
        return explaining.explain(self, x, y, neuron=neuron, weight=weight)

    def diagnose(self, data: Dataset | None = None) -> Any:
        """Why this training did not learn as it could, likeliest cause first; see `pellucid.diagnose`.

        Of a saved run the findings are also written to its ``findings.json`` and shown on its ``report.html``.

        Args:
            data: its data, where the run was loaded and they came as arrays.

        Returns:
            A list of `pellucid.doctor.Finding`.
        """
        # The doctor lies a floor above.
        return importlib.import_module("pellucid.doctor.keep").diagnose_and_keep(self, data)

    def prove(self, data: Dataset | None = None, **options: Any) -> Any:
        """What fixes this training, tried by experiment; see `pellucid.prove`.

        Of a saved run the proof is also written to its ``proof.json`` and shown on its ``report.html``.

        Args:
            data: its data, where the run was loaded and its data came as arrays.
            options: those of `pellucid.prove`.

        Returns:
            A `pellucid.doctor.Proof`.
        """
        return importlib.import_module("pellucid.doctor.keep").prove_and_keep(self, data, **options)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the run folder: settings, weights, history, report.

        Args:
            folder: where to; may be the folder that the run was saved to before.
            overwrite: replace another run that is there.

        Raises:
            StorageError: another run is there, or it cannot be written.
        """
        files = RunFolder(folder)
        if files.path != self.folder:
            files.begin(overwrite)
        settings = self.experiment.to_dict()
        files.write_experiment(settings)
        files.write_manifest(self.manifest)
        arrays = to_arrays({"params": self.params, "layer_state": self.layer_state})
        history = {f"history/{name}": array for name, array in self.history.to_arrays().items()}
        weights = self.row_weights if self.training is None else self.training.train.weights
        rows = {} if weights is None else {"row_weights": np.asarray(weights)}
        files.write_weights(arrays | self.facts.to_arrays() | history | rows)
        for name, table in self.history.tables.items():
            files.write_table(name, table)
        if files.path != self.folder and self.experiment.snapshots:
            for step, state in self.snapshots.items():
                files.write_snapshot(step, arrays_of(state))
        files.write_json("result.json", {"stopped": self.stopped, **self.result})
        files.write_json("notes.json", {"ended": str(self).splitlines(), **self.notes.to_dict()})
        files.write_text("report.html", kept_page(self) or page_of_run(self, files))
        self.folder = files.path
        return files.path

    def plot(self) -> Any:
        """A matplotlib figure of the training: loss, metric, gradients and updates.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return draw_history(self.history)

    def __repr__(self) -> str:
        return f"<Run {' · '.join(str(self).splitlines())}>"

    def __str__(self) -> str:
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in self.result.items())
        ends = {
            "epochs": "",
            "early": ", stopped early: the loss on the validation part no longer fell",
            "interrupted": ", interrupted",
            "diverged": ", diverged: the loss ceased to be finite",
        }
        best = (
            "" if self.best_epoch is None else f"; weights of the best epoch kept, number {self.best_epoch}"
        )
        made = f"{self.history.epochs_made} of {self.experiment.epochs} epochs{ends[self.stopped]}{best}"
        lines = [f"{self.facts.name}: {made}", f"held-out rows: {figures or 'none'}"]
        return "\n".join([*lines, self.not_finite] if self.not_finite else lines)

    @property
    def not_finite(self) -> str:
        """Which figures of the held-out rows are not finite, in a sentence; empty where all are."""
        names = [name.replace("_", " ") for name, value in self.result.items() if not np.isfinite(value)]
        if not names:
            return ""
        return (
            f"the {' and '.join(names)} of the held-out rows {'is' if len(names) == 1 else 'are'} not finite"
        )


def warn_of_not_finite(run: Run, outputs: np.ndarray) -> None:
    """Warn of a held-out loss or metric that is not finite, and name the first row whose outputs are not.

    Args:
        run: the run, with its result.
        outputs: its outputs for the held-out rows.
    """
    if not run.not_finite:
        return
    bad = np.asarray(~np.isfinite(outputs.reshape(len(outputs), -1)).all(axis=1))
    if bad.any():
        cause = (
            f"{bad.sum():,} of {len(bad):,} have outputs that are not finite, the first is row {bad.argmax()}"
        )
    else:
        cause = "all outputs are finite, so it is the loss or the metric itself that is not defined for some"
    warnings.warn(
        f"{run.not_finite}: {cause}. Compare that row with the training rows: a value far outside of theirs overflows.",
        DoctorWarning,
        stacklevel=4,
    )


def load_run(folder: str | Path) -> Run:
    """A saved run, ready to predict and evaluate.

    Args:
        folder: its run folder.

    Raises:
        StorageError: no run there, or one that has no weights yet: resume it first.
    """
    files = RunFolder(folder)
    experiment = Experiment.from_dict(files.read_experiment())
    arrays = files.read_weights()
    if arrays is None:
        raise StorageError(f"the run {folder} has not ended: it has no weights yet. Resume it first.")
    manifest = files.read_json("manifest.json")
    facts = DataFacts.from_dict(manifest["data"], arrays)
    network = build_network(experiment.network).accepting(facts.input_shape)
    rows = experiment.training_rows(facts.rows)
    program = program_of(experiment, network, rows)
    template = initial_state(network, as_optimizer("sgd"), None, facts.input_shape, 0)
    tree = from_arrays({"params": template.params, "layer_state": template.layer_state}, arrays)
    history = History.begin(program, rows)
    history.restore(under("history", arrays))
    result = files.read_json("result.json")
    stopped = result.pop("stopped")
    result = {name: np.nan if value is None else value for name, value in result.items()}  # JSON has no NaN
    return Run(
        network, tree["params"], tree["layer_state"], program, experiment, facts, history, result,
        stopped, files.path, row_weights=arrays.get("row_weights"),
        resumed=tuple(manifest.get("resumed", ())), notes=notes_of(files),
    )


def notes_of(files: RunFolder) -> Notes:
    """What was said of the training of a folder."""
    return Notes.from_dict(files.read_json("notes.json") if files.has("notes.json") else {})


def program_of(experiment: Experiment, network: AnyNetwork, rows: int) -> Supervised:
    """What the compiled program of an experiment depends on; ``rows`` are trained on."""
    loss = losses.build(experiment.loss)
    return Supervised(
        network,
        loss,
        fitting_metric(experiment.metric, loss),
        experiment.rows_of_step(rows),
        experiment.record_every,
        experiment.record,
        experiment.histograms_every,
        experiment.shuffle,
    )


def under(folder: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with ``folder/``, without it."""
    prefix = folder + "/"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def target_for(loss: Loss, y: np.ndarray, outputs: int) -> np.ndarray:
    """Stored targets as the loss takes them: class numbers one-hot where it asks for that, yes and no as 1 and −1."""
    one_hot = loss.target_kind == "one_hot" or loss.reads == "margins"
    if one_hot and y.ndim == 1:
        y = np.eye(outputs, dtype=np.float32)[y]
    return 2 * y - 1 if loss.reads == "margins" else y


def _whole(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def outputs_of(
    network: AnyNetwork, params: Any, state: Any, x: np.ndarray, scaling: Scaling, *, like: int | None = None
) -> np.ndarray:
    """The outputs of a network for stored rows, scaled in the program, batch by batch.

    Args:
        network: the network.
        params: its parameters.
        state: its layers' state.
        x: the rows.
        scaling: of the inputs.
        like: take batches of the size that so many rows are predicted in, for which it is compiled already.
    """
    scaling = scaling._replace(targets=None)
    size = rows_at_once(network, x.shape[1:], like or len(x))
    starts = range(0, max(len(x), 1), size)
    parts = [_predict(network, params, state, scaling, _filled(x[i : i + size], size)) for i in starts]
    return np.concatenate([np.asarray(part) for part in parts])[: len(x)]


def _filled(x: np.ndarray, size: int) -> np.ndarray:
    """The rows of a short batch, filled up with zeros so that nothing is compiled for it."""
    if len(x) == size:
        return x
    return np.concatenate([x, np.zeros((size - len(x), *x.shape[1:]), x.dtype)])


@partial(jax.jit, static_argnums=0)
def _output_mask(network: AnyNetwork, params: Any, state: Any, scaling: Scaling, x: Any) -> Any:
    # The compiler leaves out all that the mask does not depend on.
    return network.forward(params, state, scaling(x)).masks.get(network.names[network.ends[0]])


@partial(jax.jit, static_argnums=0)
def _predict(network: AnyNetwork, params: Any, state: Any, scaling: Scaling, x: Any) -> Any:
    return network.forward(params, state, scaling(x)).outputs[-1]


def _loss_and_metric(
    program: Supervised, scaling: Scaling, outputs: np.ndarray, y: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Loss and metric of each example, in double precision: their means do not depend on where batches are cut."""
    # The first row again and again: zeros may be no target.
    places = np.minimum(np.arange(power_of_two(max(len(y), FEWEST))), len(y)) % len(y)
    real = None if mask is None else jnp.asarray(mask[places])
    found = _of_examples(program, scaling, jnp.asarray(outputs[places]), jnp.asarray(y[places]), real)
    loss, metric = (np.asarray(one, np.float64)[: len(y)] for one in found)
    return loss, metric


@partial(jax.jit, static_argnums=0)
def _of_examples(program: Supervised, scaling: Scaling, outputs: Any, y: Any, mask: Any) -> Any:
    return masked_value(program.loss, outputs, y, mask), program.metric_of(outputs, y, scaling, mask)
