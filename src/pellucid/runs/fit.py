"""Make a training with any program: begin, run to the end, save, load."""

import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import DoctorWarning, InvalidValue, StorageError, TrainingDiverged, UnknownName
from pellucid.core.precision import double_precision, in_its_precision
from pellucid.core.xla import keep_compiled_programs
from pellucid.data import Dataset, SentencePairs, generation, make_dataset, reconstruction
from pellucid.data.several import by_name, ordered, several_dataset
from pellucid.data.targets import TASKS
from pellucid.optimizers import as_optimizer
from pellucid.runs import streams
from pellucid.runs.callbacks import Callback, Callbacks, Keep
from pellucid.runs.checkpoint import save_training
from pellucid.runs.experiment import Experiment, open_data
from pellucid.runs.facts import DataFacts, under
from pellucid.runs.folder import RunFolder
from pellucid.runs.interrupt import Interrupt
from pellucid.runs.notes import Notes
from pellucid.runs.own_loss import check_own_loss
from pellucid.runs.plan import Plan, networks_of
from pellucid.runs.progress import ProgressReport
from pellucid.runs.ready import make_ready, program_of
from pellucid.runs.scaling import describe_inputs, describe_targets
from pellucid.runs.starting import kept_weights
from pellucid.runs.trained import Trained
from pellucid.runs.translation import translation_metrics
from pellucid.training import (
    Adversarial,
    History,
    SnapshotTaker,
    Training,
    arrays_of,
    from_arrays,
    is_large,
    release_initialisation,
    state_template,
    to_arrays,
)


@in_its_precision
def begin(plan: Plan) -> Trained:
    """Prepare a training: everything but its first step.

    Raises:
        InvalidValue: a setting outside what is allowed.
        ShapeError: network, loss and target do not fit.
        DataError: rows that cannot be trained on.
    """
    keep_compiled_programs()
    experiment = plan.experiment
    ready = make_ready(experiment, plan.data, plan.network, plan.optimizer, plan.initial)
    training = ready.training(ready.initial_state(experiment.seed))
    if is_large(training.state):
        release_initialisation()
    if not experiment.adversarial:
        check_own_loss(training)
    if experiment.snapshots:
        training.snapshots = SnapshotTaker(experiment.snapshots)
    prepared = Trained.of_training(training, experiment, plan.data, DataFacts.of(ready.data))
    prepared.initial = plan.initial
    prepared.notes = Notes((*plan.data.notes, *plan.choices, *plan.starting, *_remarks(prepared)))
    return prepared


def _remarks(prepared: Trained) -> tuple[str, ...]:
    """What follows from the settings and is easily missed."""
    streamed = () if prepared.data is None else streams.describe(prepared.data, prepared.experiment)
    return (*streamed, *_scalings(prepared), *_parts_of_batch(prepared))


def _parts_of_batch(prepared: Trained) -> tuple[str, ...]:
    """Layers that see a part of the rows of an update alone."""
    program = prepared.program
    if prepared.adversarial or program.accumulate == 1:
        return ()
    layers = zip(program.network.names, program.network.layers, strict=True)
    names = ", ".join(name for name, layer in layers if layer.depends_on_batch)
    size = -(-program.batch_size // program.accumulate)
    text = (
        f"accumulate: what depends on the batch ({names}) sees {size} rows, not the {program.batch_size} of an update"
    )
    return (text,) if names else ()


def _scalings(prepared: Trained) -> tuple[str, ...]:
    """Scalings of inputs and targets, where they differ from the dataset's."""
    if prepared.adversarial or prepared.data is None or prepared.data.task == "translation":
        return ()
    facts = prepared.facts
    of_targets = describe_targets(facts.target_preprocessing, tuple(facts.heads))
    texts = describe_inputs(prepared.data, prepared.network), of_targets
    return tuple(text for text in texts if text is not None)


def fit(
    prepared: Trained,
    *,
    folder: str | Path | None = None,
    overwrite: bool = False,
    checkpoint_every: float = 10.0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Trained:
    """Train from the current step to the end, or to Ctrl-C, and save the result.

    Args:
        prepared: the record that `begin` or `pellucid.runs.resume` prepared.
        folder: run folder to save to; None for none.
        overwrite: replace the run that ``folder`` holds already.
        checkpoint_every: seconds between checkpoints.
        progress: show the progress on stderr.
        callbacks: called between the calls of the program; see `pellucid.runs.callbacks`.

    Returns:
        The record of the training; its metrics are of the held-out rows.

    Raises:
        StorageError: the folder holds a run already, or cannot be written.
        TrainingDiverged: the loss became NaN or infinite; what was trained until then is in the folder.
    """
    training, experiment = prepared.training, prepared.experiment
    assert training is not None
    files = None if folder is None else RunFolder(folder)

    def record(stopped: str) -> Trained:
        record = type(prepared).of_training(training, experiment, prepared.data, prepared.facts, stopped)
        return replace(record, notes=prepared.notes, resumed=prepared.resumed, initial=prepared.initial)

    called = Callbacks(
        callbacks, training, lambda: record("interrupted"), Keep(score_held_out, save), files and files.path
    )
    # Only now, with all settings checked, is anything written: a wrong setting costs no earlier run.
    if files is not None:
        if prepared.folder is None:
            files.begin(overwrite)
        files.write_manifest(prepared.manifest)
        files.write_experiment(experiment.to_dict())
        if prepared.initial is not None:
            files.write_initial(prepared.initial.to_arrays())
        _keep_stream(prepared.data, files)
        files.write_json("notes.json", prepared.notes.to_dict())
    if progress:
        for text in _remarks(prepared):
            print(text, file=sys.stderr)

    began = time.perf_counter()
    try:
        stopped = run(training, experiment, files, every=checkpoint_every, progress=progress, callbacks=called)
    except TrainingDiverged as error:
        if files is not None:  # so that it can be diagnosed
            save(replace(record("diverged"), notes=replace(prepared.notes, failure=str(error))), files)
        raise
    except Exception as error:
        if files is not None:
            error.add_note(f"What was trained until then is saved: resume({str(files.path)!r}).")
        raise
    trained = record(stopped)
    trained.seconds = time.perf_counter() - began
    outputs = score_held_out(trained)
    _warn_if_not_finite(trained, outputs)
    if files is not None:
        trained.held_out_outputs = outputs
        save(trained, files)
    return trained


def _keep_stream(data: Dataset | None, files: RunFolder) -> None:
    """Write what was found out about all rows of a stream, so that resuming reads them only to train on them."""
    stream = None if data is None else data.stream
    if stream is not None and stream.kept is not None and not files.has("stream/found.json"):
        files.write_stream(*stream.kept)


def run(
    training: Training,
    experiment: Experiment,
    files: RunFolder | None,
    *,
    every: float = 10.0,
    progress: bool = True,
    callbacks: Callbacks | None = None,
) -> str:
    """Train to the end, to Ctrl-C or until a callback stops, and return which; the last state is kept in any case."""
    epochs, optimizers = experiment.epochs, optimizers_of(experiment)
    report = ProgressReport(training.history, epochs, training.steps_per_epoch, experiment.watched)
    saved_at = time.monotonic()
    training.in_place = callbacks is None or not callbacks.callbacks  # which may keep what they read
    try:
        with Interrupt() as interrupt, report if progress else nullcontext():
            if callbacks is not None:
                callbacks.begin()
                callbacks.catch_up()
            for now in () if callbacks is not None and callbacks.stopped else training.run(epochs):
                if progress:
                    report.show(now)
                if callbacks is not None:
                    callbacks.call()
                    if callbacks.stopped:
                        break
                if interrupt.asked:
                    return "interrupted"
                if files is not None and time.monotonic() - saved_at >= every:
                    save_training(training, files, optimizers)
                    saved_at = time.monotonic()
                    if callbacks is not None:
                        callbacks.saved = training.history.steps_made
    finally:
        if training.feed is not None:
            training.feed.close()
        if files is not None:
            save_training(training, files, optimizers)
    if callbacks is not None:
        callbacks.saved = training.history.steps_made
        callbacks.end()
        if callbacks.stopped:
            return "callback"
    return "epochs" if training.history.epochs_made >= epochs else "early"


def optimizers_of(experiment: Experiment) -> dict[str, Any]:
    """Each optimiser as ``experiment.toml`` holds it, by where its state is kept."""
    settings = experiment.to_dict()
    if not experiment.adversarial:
        return {"optimizer": settings["optimizer"]}
    critic = settings.get("critic_optimizer", settings["optimizer"])
    return {"optimizer/generator": settings["optimizer"], "optimizer/critic": critic}


def score_held_out(trained: Trained) -> Any:
    """Put the metrics of the held-out rows into ``trained.result``; of a GAN both losses of its last epoch.

    Returns:
        The outputs for those rows, where there are any and not too many.
    """
    history = trained.history
    held_out = None if trained.data is None else trained.data.held_out
    if trained.adversarial:
        if history.epochs_made:
            table = history.epochs
            trained.result = {n: float(table[n][-1]) for n in table if n not in ("epoch", "learning_rate")}
        return None
    if held_out is None or not (history.steps_made or trained.experiment.epochs == 0):
        return None
    stream = trained.data.stream if trained.data is not None else None
    if stream is not None:
        trained.result = streams.measure_parts(trained, stream.read_held_out())
        return trained.outputs_of_rows(held_out.x) if len(held_out) <= trained.rows_at_a_time else None
    if isinstance(held_out, SentencePairs):
        trained.result = translation_metrics(trained, [(source, target) for source, target in held_out.pairs])
        return None
    if len(held_out) > trained.rows_at_a_time:
        trained.result = trained.evaluate_part(held_out) | _naive_metrics(trained)
        return None
    outputs = trained.outputs_of_rows(held_out.x)
    trained.result = trained.metrics_of(outputs, held_out) | _naive_metrics(trained)
    return outputs


def _naive_metrics(trained: Trained) -> dict[str, float]:
    """The metric of the forecasts that need no learning, beside which the network's is read."""
    assert trained.data is not None
    assert trained.data.held_out is not None
    name = trained.program.metric.name
    return {
        f"{name} of the {forecast}": trained.metrics_of(outputs, trained.data.held_out, ())[name]
        for forecast, outputs in trained.data.naive.items()
    }


def _warn_if_not_finite(trained: Trained, outputs: Any) -> None:
    """Warn of a held-out loss or metric that is not finite, naming the first row whose outputs are not."""
    held_out = None if trained.data is None else trained.data.held_out
    if not trained.not_finite or trained.adversarial or held_out is None or isinstance(held_out, SentencePairs):
        return
    parts = [outputs for _, outputs in trained.in_parts(held_out.x)] if outputs is None else [outputs]
    bad = np.concatenate([_not_finite(some if isinstance(some, tuple) else (some,)) for some in parts])
    if bad.any():
        cause = f"{bad.sum():,} of {len(bad):,} have outputs that are not finite, the first is row {bad.argmax()}"
    else:
        cause = "all outputs are finite, so it is the loss or the metric itself that is not defined for some"
    warnings.warn(
        f"{trained.not_finite}: {cause}. Compare that row with the training rows: a value far outside of theirs "
        "overflows.",
        DoctorWarning,
        stacklevel=5,
    )


def _not_finite(outputs: tuple[np.ndarray, ...]) -> np.ndarray:
    """Mask of the rows with an output that is not finite."""
    return np.any([~np.isfinite(each.reshape(len(each), -1)).all(axis=1) for each in outputs], axis=0)


def save(trained: Trained, files: RunFolder) -> None:
    """Write the files of a run, all but its page."""
    files.write_experiment(trained.experiment.to_dict())
    files.write_manifest(trained.manifest)
    if trained.initial is not None:
        files.write_initial(trained.initial.to_arrays())
    arrays = to_arrays({"params": trained.params, "layer_state": trained.layer_state})
    history = {f"history/{name}": array for name, array in trained.history.to_arrays().items()}
    weights = trained.row_weights if trained.training is None else trained.training.train.weights
    rows = {} if weights is None else {"row_weights": np.asarray(weights)}
    files.write_weights(arrays | trained.facts.to_arrays() | history | rows)
    for name, table in trained.history.tables.items():
        files.write_table(name, table)
    _keep_stream(trained.data, files)
    if files.path != trained.folder and trained.experiment.snapshots:
        for step, state in trained.snapshots.items():
            files.write_snapshot(step, arrays_of(state))
    files.write_json("result.json", {"stopped": trained.stopped, **trained.result})
    files.write_json("notes.json", {"ended": str(trained).splitlines(), **trained.notes.to_dict()})
    trained.folder = files.path


def load(folder: str | Path) -> Trained:
    """Read a saved run, ready to predict and evaluate.

    Args:
        folder: its run folder.

    Raises:
        StorageError: no run there, or one that has no weights yet: resume it first.
    """
    keep_compiled_programs()
    files = RunFolder(folder)
    experiment = Experiment.from_dict(files.read_experiment())
    with double_precision(experiment.precision == "float64"):
        return _load(files, experiment)


def _load(files: RunFolder, experiment: Experiment) -> Trained:
    arrays = files.read_weights()
    if arrays is None:
        raise StorageError(f"the run {files.path} has not ended: it has no weights yet. Resume it first.")
    manifest = files.read_json("manifest.json")
    facts = DataFacts.from_dict(manifest["data"], arrays)
    networks = networks_of(experiment)
    if not experiment.adversarial and facts.task != "translation":
        networks = networks.accepting(facts.input_shape)  # pyright: ignore[reportAttributeAccessIssue]
    rows = experiment.training_rows(facts.rows)
    program = program_of(experiment, networks, rows)
    sgd = as_optimizer("sgd")
    if isinstance(program, Adversarial):
        state = jax.eval_shape(partial(program.init, sgd, sgd, None, facts.input_shape, 0))
        params = {player: state.params[player] for player in ("generator", "critic")}
    else:
        state = state_template(program.network, sgd, None, facts.input_shape)
        params = state.params
    tree = from_arrays({"params": params, "layer_state": state.layer_state}, arrays)
    history = History.begin(program, rows)
    history.restore(under("history", arrays))
    result = files.read_json("result.json")
    stopped = result.pop("stopped")
    return Trained(
        experiment,
        facts,
        program,
        tree["params"],
        tree["layer_state"],
        history,
        {name: np.nan if value is None else value for name, value in result.items()},  # JSON has no NaN
        stopped,
        files.path,
        row_weights=arrays.get("row_weights"),
        resumed=tuple(manifest.get("resumed", ())),
        changes=tuple(manifest.get("changes", ())),
        notes=notes_of(files),
        initial=kept_weights(files, experiment),
    )


def notes_of(files: RunFolder) -> Notes:
    """Read the notes of a run folder."""
    return Notes.from_dict(files.read_json("notes.json") if files.has("notes.json") else {})


@in_its_precision
def training_again(trained: Trained, data: Dataset | None = None) -> Training:
    """Rebuild the training of a loaded run at its beginning, with its rows and weights.

    Args:
        trained: a run with a folder.
        data: its data, where they came as arrays.

    Raises:
        StorageError: no data by that name, or other data than those of the run.
        InvalidValue: an optimiser from Optax, which its folder cannot describe.
    """
    assert trained.folder is not None
    data = data_of_run(RunFolder(trained.folder), trained.experiment.data, data)
    network = None if trained.adversarial else trained.network
    ready = make_ready(trained.experiment, data, network, initial=trained.initial)
    training = ready.training(ready.initial_state(trained.experiment.seed))
    if trained.row_weights is not None:
        training.train = training.train._replace(weights=jnp.asarray(trained.row_weights))
    return training


def data_of_run(files: RunFolder, settings: Mapping[str, Any], data: Any) -> Dataset:
    """Load the training data of a run, in the form that its network takes.

    Args:
        files: its folder.
        settings: the ``data`` of its experiment.
        data: its data as they were given to `train`, where they came as arrays and cannot be loaded by name or path.

    Raises:
        InvalidValue: neither a dataset nor a pair of arrays.
        StorageError: data other than those of the run, or data without a name that were not given.
    """
    manifest = files.read_json("manifest.json")
    task = manifest["data"].get("task")
    if task in ("reconstruction", "generation") and hasattr(data, "__array__"):
        data = (data, None)
    if isinstance(data, tuple):
        x, y = data
        names, heads = manifest["data"].get("inputs", ()), manifest["data"].get("heads", {})
        if names or heads:
            x, y = by_name(x, names, "x"), by_name(y, tuple(heads), "y")
            tasks = {name: head["task"] for name, head in heads.items()} or task
            data = several_dataset(x, y, seed=manifest["seed"], task=tasks)
        elif task == "generation":
            data = make_dataset(x, task=task, held_out=None)
        else:
            data = make_dataset(x, y, seed=manifest["seed"], task=task if task in TASKS else None)
    if data is None:
        try:
            data = open_data(settings, files.read_stream())
        except UnknownName as error:
            raise StorageError(
                f"the data of this run, {settings['name']!r}, are no dataset known by name: give them again, from "
                "Python: resume(folder, data), load(folder).diagnose(data), explain(load(folder), x, y)."
            ) from error
    elif not isinstance(data, Dataset):
        raise InvalidValue(f"data must be a Dataset or a pair of arrays (x, y). Received: {data!r:.60}.")
    if task == "reconstruction":
        data = reconstruction(data)  # an autoencoder's targets are its inputs
    elif task == "generation":
        data = generation(data)
    if data.inputs or data.heads:
        data = ordered(data, manifest["data"].get("inputs", ()), tuple(manifest["data"].get("heads", ())))
    recorded = manifest["data"]["fingerprint"]
    if data.fingerprint != recorded:
        raise StorageError(
            f"the data are not those of the run: their SHA-256 is {data.fingerprint[:12]}…, "
            f"that of the run's data was {recorded[:12]}…. Give the same data, or begin a new run."
        )
    return data
