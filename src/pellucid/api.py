"""Training from one call, and the run that it returns: here runs, report, doctor and explanations come together."""

import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from pellucid.architectures.gan import GAN
from pellucid.core.errors import TrainingDiverged
from pellucid.core.precision import in_its_precision
from pellucid.core.types import Specification
from pellucid.data import Dataset
from pellucid.data.folds import Splitter
from pellucid.doctor.check import warn_of_problems
from pellucid.doctor.diagnose import diagnose, suspicion
from pellucid.doctor.findings import Finding, Findings
from pellucid.doctor.prove import Proof, prove
from pellucid.network import Network
from pellucid.report import html, terminal
from pellucid.report.comparison import comparison_charts, comparison_table
from pellucid.report.cross_validation import (
    cross_validation_charts,
    cross_validation_document,
    cross_validation_table,
    summary,
)
from pellucid.report.document import Columns, Document
from pellucid.report.learning_rates import headline, rate_chart, rate_document, rate_table
from pellucid.report.print_figure import to_matplotlib
from pellucid.report.run_page import page_of, verdict
from pellucid.report.samples import sample_chart
from pellucid.report.training import curve_charts, gradient_charts, units_of
from pellucid.runs import codes, cross_validation, learning_rates, samples, translation
from pellucid.runs import compare as comparing
from pellucid.runs.callbacks import Callback, tell
from pellucid.runs.experiment import Settings, describe_settings
from pellucid.runs.fit import begin, data_of_run, fit, save
from pellucid.runs.fit import load as load_trained
from pellucid.runs.folder import RunFolder, empty_folder
from pellucid.runs.more import more
from pellucid.runs.plan import Plan, settle
from pellucid.runs.resume import begin_again
from pellucid.runs.retrain import on_all_rows
from pellucid.runs.trained import Trained
from pellucid.runs.translation import Alignment
from pellucid.runs.values import in_words

if TYPE_CHECKING:
    from pellucid.explanations import Explanation, Importance, PartialDependence


class Run(Trained):
    """A training that ended or was interrupted, and everything that can be done with it.

    Its attributes are those of `pellucid.runs.trained.Trained`: ``network``, ``params``, ``history``, ``result``,
    ``experiment``, ``facts`` and others. It predicts (``predict``, ``outputs``, ``evaluate``), is opened (``explain``,
    ``diagnose``, ``prove``) and saved; a GAN also generates (``sample``), an autoencoder encodes, a translator
    translates.

    Example:
        >>> import pellucid as pel
        >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=2, progress=False)
        >>> run.predict(run.data.held_out.x[:2]).shape
        (2,)
    """

    @classmethod
    def of(cls, trained: Trained) -> "Run":
        """The run of a record."""
        return cls(**{field.name: getattr(trained, field.name) for field in fields(trained)})

    def predict(self, x: Any, unknown: bool = False) -> np.ndarray:
        """Predict classes, numbers, an autoencoder's inputs again, or translations; see `Trained.predict`."""
        if self.facts.task == "translation":
            return np.array(self.translate(x))
        return super().predict(x, unknown)

    def evaluate(
        self, x: Any = None, y: Any = None, *, weights: Any = None, metrics: Sequence[Any] | None = None
    ) -> dict[str, float]:
        """Measure loss and metrics on unseen rows, ``exact`` and ``bleu`` on sentence pairs; see `Trained.evaluate`."""
        if self.facts.task == "translation" and x is not None:
            return translation.translation_metrics(self, x if y is None else list(zip(x, y, strict=True)))
        return super().evaluate(x, y, weights=weights, metrics=metrics)

    def explain(self, x: Any, y: Any = None, *, neuron: str | None = None, weight: str | None = None) -> "Explanation":
        """Send one example through the network with every number, each derivative checked; see `pellucid.explain`.

        Args:
            x: one example, as for ``outputs``.
            y: its target: a class name or number, or numbers; None for an autoencoder.
            neuron: ``"LAYER:UNIT"``, the neuron whose largest gradient is followed.
            weight: ``"LAYER:i,j"``, the weight that is followed.
        """
        from pellucid.explanations import explain  # what a training does not need is not imported for it

        return explain(self, x, y, neuron=neuron, weight=weight)

    def permutation_importance(
        self, x: Any = None, y: Any = None, *, data: Dataset | None = None, **options: Any
    ) -> "Importance":
        """Measure what the run loses when a column is shuffled; see `pellucid.explanations.permutation_importance`.

        Args:
            x: other rows than the held-out ones, as for ``evaluate``.
            y: their targets.
            data: its data, where the run was loaded and they came as arrays.
            options: ``metric``, ``repeats`` and ``seed``.
        """
        from pellucid.explanations import permutation_importance

        return permutation_importance(self._with_rows(x, data), x=x, y=y, **options)

    def partial_dependence(
        self, columns: str | Sequence[str], x: Any = None, *, data: Dataset | None = None, **options: Any
    ) -> "PartialDependence":
        """Compute the mean answer by the values of a column; see `pellucid.explanations.partial_dependence`.

        Args:
            columns: one name or several.
            x: other rows than the held-out ones, as for ``outputs``.
            data: its data, where the run was loaded and they came as arrays.
            options: ``points``.
        """
        from pellucid.explanations import partial_dependence

        return partial_dependence(self._with_rows(x, data), columns, x=x, **options)

    def _with_rows(self, x: Any, data: Dataset | None) -> "Run":
        """The run with its data, where they are needed."""
        return self if x is not None else self._with_data(data)

    def diagnose(self, data: Dataset | None = None) -> Findings:
        """Find why this training did not learn as it could, likeliest cause first; see `pellucid.diagnose`.

        Of a saved run the findings are also written to its ``findings.json`` and shown on its ``report.html``.

        Args:
            data: its data, where the run was loaded and they came as arrays.
        """
        run = self._with_data(data)
        findings = diagnose(run, run.data)
        run._keep("findings", [finding.to_dict() for finding in findings], compared=findings.compared)
        return findings

    def prove(self, data: Dataset | None = None, *, findings: Sequence[Finding] | None = None, **options: Any) -> Proof:
        """Find what fixes this training, by experiment; see `pellucid.prove`.

        Of a saved run the proof is also written to its ``proof.json`` and shown on its ``report.html``.

        Args:
            data: its data, where the run was loaded and they came as arrays.
            findings: whose remedies are tried; None diagnoses first, and keeps that too.
            options: the others of `pellucid.prove`.
        """
        run = self._with_data(data)
        proof = prove(run, run.data, findings=run.diagnose() if findings is None else findings, **options)
        run._keep("proof", proof.to_dict())
        return proof

    def train_more(
        self,
        data: Any = None,
        *,
        folder: str | Path | None = None,
        overwrite: bool = False,
        checkpoint_every: float = 10.0,
        progress: bool = True,
        callbacks: Sequence[Callback] = (),
        **settings: Unpack[Settings],
    ) -> "Run":
        """Train on from these weights, on the same rows or others, as a new run.

        The settings are those of this run where none are given, the scaling of inputs and targets is its own. The
        optimiser begins anew, and a schedule that ends runs over the new epochs; `pellucid.resume` continues a saved
        run bit for bit.

        Args:
            data: a dataset; arrays ``(x, y)``, of which a fifth is held out; for a run on a table also a path or data
                frame of the same columns; None for the rows of this run.
            folder: as for `train`.
            overwrite: as for `train`.
            checkpoint_every: as for `train`.
            progress: as for `train`.
            callbacks: as for `train`.
            settings: as for `train`; ``freeze`` says which layers are frozen from here on, ``freeze=()`` none.

        Returns:
            The new run; this one stays as it is.

        Raises:
            InvalidValue: a GAN, or data that ask for another network: ``train(network, data, initial=run)``.

        Example:
            >>> import pellucid as pel
            >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=5, progress=False)
            >>> longer = run.train_more(epochs=20, learning_rate=0.01, progress=False)
            >>> longer.result["loss"] < run.result["loss"]
            True
        """
        rows = self._with_data(None).data if data is None else data
        network, rows, chosen = more(self, rows, settings)
        return train(
            network,
            rows,
            folder=folder,
            overwrite=overwrite,
            checkpoint_every=checkpoint_every,
            progress=progress,
            callbacks=callbacks,
            **chosen,
        )

    def _with_data(self, data: Dataset | None) -> "Run":
        """The run with its data, opened once for all that follows."""
        if self.data is None and self.folder is not None:
            data = data_of_run(RunFolder(self.folder), self.experiment.data, data)
        return replace(self, data=self.data if data is None else data)

    def _keep(self, name: str, content: Any, **beside: Any) -> None:
        if self.folder is not None:
            RunFolder(self.folder).write_verdict(name, content, **beside)
            _write_page(self)

    @in_its_precision
    def sample(self, count: int, seed: int = 0) -> np.ndarray:
        """Generate examples by a GAN, in the units of the data; see `pellucid.runs.samples.sample`."""
        return samples.sample(self, count, seed)

    @in_its_precision
    def score(self, x: Any) -> np.ndarray:
        """Score examples by a GAN's critic, shape (rows,): higher for more real."""
        return samples.score(self, x)

    @in_its_precision
    def encode(self, x: Any) -> np.ndarray:
        """Compute an autoencoder's codes of examples, shape (rows, code)."""
        return codes.encode(self, x)

    @in_its_precision
    def decode(self, code: Any) -> np.ndarray:
        """Compute the examples that an autoencoder's codes, or a GAN's noise, stand for, in the units of the data."""
        return samples.generate(self, code) if self.adversarial else codes.decode(self, code)

    @in_its_precision
    def reconstruction_errors(self, x: Any) -> np.ndarray:
        """Compute an autoencoder's mean squared error of each example: high for unusual ones."""
        return codes.reconstruction_errors(self, x)

    @in_its_precision
    def translate(self, sentences: Sequence[str]) -> list[str]:
        """Translate sentences by a translator, word by word the likeliest."""
        return translation.translate(self, sentences)

    @in_its_precision
    def align(self, sentence: str) -> Alignment:
        """Compute the attention weights of one translation."""
        return translation.align(self, sentence)

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
        before = self.folder
        save(self, files)
        files.write_text("report.html", page_of(replace(self, folder=before), files))
        return files.path

    def plot(self) -> Any:
        """Plot the training as a matplotlib figure: losses, metric, gradients and updates.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return to_matplotlib(*curve_charts(self.history, units=units_of(self)), *gradient_charts(self.history))

    def plot_samples(self, count: int = 64, seed: int = 0) -> Any:
        """Plot a GAN's samples as a matplotlib figure: images side by side, or points of a plane.

        Args:
            count: how many.
            seed: of the noise.

        Raises:
            MissingExtra: matplotlib is not installed.
            ShapeError: examples that are neither images nor points of a plane.
        """
        return to_matplotlib(sample_chart(self.sample(count, seed)))

    def _repr_html_(self) -> str:
        return html.fragment(
            Document(self.facts.name, verdict(self, {}), Columns(*curve_charts(self.history, units=units_of(self))))
        )


class Comparison(comparing.Comparison):
    """Settings compared by the same seeds: print it for its table, or plot it."""

    def plot(self, metric: str | None = None) -> Any:
        """Plot each setting with its seeds and interval, and the learning curves, as a matplotlib figure.

        Args:
            metric: as for ``values``.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return to_matplotlib(*comparison_charts(self, metric))

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.settings)} settings, {len(self.seeds)} seeds>"

    def to_document(self) -> Document:
        """The table as a document."""
        title = f"{in_words(self.metric)}, {len(self.seeds)} seeds"
        return Document(title, comparison_table(self))

    def __str__(self) -> str:
        return terminal.text(self.to_document(), width=180)

    def _repr_html_(self) -> str:
        return html.fragment(Document("", Columns(*comparison_charts(self)), comparison_table(self)))


class CrossValidation(cross_validation.CrossValidation):
    """A network trained on all folds of the rows but one, for each in turn: print it for its table, or plot it."""

    @classmethod
    def of(cls, validated: cross_validation.CrossValidation) -> "CrossValidation":
        """The cross-validation of a record, its trainings as runs."""
        return cls(tuple(map(Run.of, validated.runs)), validated.held_out)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write a folder with a run folder for each fold, the metrics, the predictions and a report.

        Args:
            folder: where to.
            overwrite: replace another cross-validation that is there.

        Raises:
            StorageError: another one is there, or something else, or it cannot be written.
        """
        files = RunFolder(folder)
        cross_validation.require_free(files.path, overwrite)
        empty_folder(files.path)
        names = [f"fold-{number}" for number in range(1, len(self.runs) + 1)]
        for name, run in zip(names, self.runs, strict=True):
            Run.of(run).save(files.path / name)
        files.write_text("predictions.csv", self.predictions_as_csv())
        document = cross_validation_document(self, [f"{name}/report.html" for name in names])
        files.write_text("report.html", html.page(document))
        files.write_json("cross_validation.json", self.to_dict())
        return files.path

    def plot(self, metric: str | None = None) -> Any:
        """Plot each fold with mean and interval, and the learning curves, as a matplotlib figure.

        Args:
            metric: as for ``values``.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return to_matplotlib(*cross_validation_charts(self, metric))

    def __repr__(self) -> str:
        estimate = self.estimate()
        name = self.metric.removeprefix("held_out_").replace("_", " ")
        return f"<CrossValidation of {len(self.runs)} folds: {name} {estimate.mean:.4g} ± {estimate.std:.2g}>"

    def to_document(self) -> Document:
        """The table as a document."""
        return Document(summary(self), cross_validation_table(self))

    def __str__(self) -> str:
        return terminal.text(self.to_document(), width=180)

    def _repr_html_(self) -> str:
        return html.fragment(cross_validation_document(self))


class LearningRates(learning_rates.LearningRates):
    """Short trainings at many learning rates: ``suggestion``, or print it for its table, or plot it."""

    @classmethod
    def of(cls, tried: learning_rates.LearningRates) -> "LearningRates":
        """The search of a record."""
        return cls(**{field.name: getattr(tried, field.name) for field in fields(tried)})

    def plot(self) -> Any:
        """Plot the loss by learning rate as a matplotlib figure.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return to_matplotlib(rate_chart(self))

    def __repr__(self) -> str:
        return f"<LearningRates: {self.refusal or f'{self.suggestion:g}'}>"

    def to_document(self) -> Document:
        """The suggestion and the table as a document."""
        return Document(headline(self), rate_table(self))

    def __str__(self) -> str:
        return terminal.text(self.to_document(), width=120)

    def _repr_html_(self) -> str:
        return html.fragment(rate_document(self))


def _with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Put the settings, which are declared once, into a docstring."""
    lines = textwrap.indent(describe_settings(), " " * 12).lstrip()
    assert function.__doc__ is not None
    function.__doc__ = function.__doc__.replace("{settings}", lines)
    return function


@_with_settings
def train(
    network: Network | GAN | Specification | Sequence[int] | None,
    data: Dataset | tuple[Any, Any] | Any,
    *,
    sample_weights: Any = None,
    folder: str | Path | None = None,
    overwrite: bool = False,
    checkpoint_every: float = 10.0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    **settings: Unpack[Settings],
) -> Run:
    """Train a network on data, compiled whole.

    The held-out rows are evaluated at the end of each epoch and decide nothing. Where something has to be
    decided during the training (early stopping, a schedule on plateaus), a validation part is taken from the training
    rows, stratified by class, and watched instead; the held-out rows are then evaluated once, at the end.

    Where no ``epochs`` are given, a default recipe completes the settings, and reports what it chose: the network is
    trained until a tenth of the training rows, set aside, stops improving. Up to 20,000 rows, a second training on all
    of them is the one to keep, for twice the steps that the first one found, its learning rate falling to 0. Settings
    that are given stay as they are.

    Args:
        network: a `Network` or `pellucid.networks.GAN`; a name, or a table of name and fields (``"cnn"``, ``"wgan"``,
            ``{"name": "lstm", "units": [64]}``); or units of hidden layers, or None for one hidden layer of 128. All
            but the first are completed by the output layer that the target asks for.
        data: a `Dataset`, or arrays ``(x, y)``, of which a fifth is then held out; for an autoencoder or a GAN ``x``
            alone.
        sample_weights: a weight for each row of ``(x, y)``, at least 0, which stays with its row when rows are held out
            or set aside for validation, and counts in their metrics too. For a `Dataset`, give the weights to
            ``make_dataset(x, y, weights=…)``; or one for each row of ``data.train``, in its order.
        folder: run folder to save to, and to keep checkpoints in while training.
        overwrite: replace the run that ``folder`` holds already.
        checkpoint_every: seconds between checkpoints, where there is a folder.
        progress: show the progress on stderr, and at the end what held the training back, if anything did.
        callbacks: functions of one `pellucid.callbacks.TrainingView`, called at the end of each epoch: they may read,
            plot, save, change a number of the optimiser or end the training. Not called in a first training that only
            finds the number of steps.
        settings:
            {settings}

    Returns:
        The run: network, history, results.

    Raises:
        InvalidValue: a setting that does not exist, or a value outside what is allowed.
        ShapeError: network, loss and target do not fit.
        DataError: data that cannot be trained on.
        StorageError: the folder holds a run already, or cannot be written.
        TrainingDiverged: the loss became NaN or infinite; says at which step and layer.

    Warns:
        DoctorWarning: something is certainly wrong with the program or the rows; the training is made all the same.

    Example:
        >>> import pellucid as pel
        >>> run = pel.train((16,), pel.load_dataset("iris"), learning_rate=0.02, epochs=30, progress=False)
        >>> run.result["accuracy"] > 0.9
        True
    """
    plan = settle(network, data, settings, sample_weights=sample_weights, by_recipe=True)
    if progress:
        print("\n".join([*plan.data.notes, plan.reported]).strip(), file=sys.stderr)
    begun = begin(plan)
    begun.notes = replace(begun.notes, problems=tuple(warn_of_problems(begun)))
    if plan.retraining is not None:
        begun = on_all_rows(begun, plan, progress)
    run = finish(
        begun,
        folder=folder,
        overwrite=overwrite,
        checkpoint_every=checkpoint_every,
        progress=progress,
        callbacks=callbacks,
    )
    return _with_suspicion(run, progress)


def resume(
    folder: str | Path,
    data: Any = None,
    *,
    epochs: int | None = None,
    optimizer: Any = None,
    critic_optimizer: Any = None,
    learning_rate: float | None = None,
    early_stopping: Any = None,
    sample_weights: Any = None,
    checkpoint_every: float = 10.0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Resume a training that was interrupted, killed or has ended; without changes bit for bit as if never stopped.

    What is changed holds from here on; ``experiment.toml`` then holds the new settings, ``manifest.json`` under
    ``resumed`` what they were before and at which step they changed. The running averages of an optimiser (its
    momentum) are kept where the new one is of the same kind, and begin anew where it is of another.

    Args:
        folder: its run folder.
        data: its data, where they came as arrays and cannot be loaded by name or path.
        epochs: another number of epochs in all, to train longer than was planned.
        optimizer: another optimiser, name or object; one that came from Optax is given again. Of a GAN that of the
            critic too, where it has none of its own.
        critic_optimizer: another optimiser of a GAN's critic.
        learning_rate: another learning rate, for the optimiser of the run or for ``optimizer``.
        early_stopping: another patience, of a run that has one; a larger one resumes after an early stop.
        sample_weights: its weights, where it had any and ``data`` does not hold them: one for each training row.
        checkpoint_every: seconds between checkpoints.
        progress: show the progress on stderr.
        callbacks: as for `train`; what those of before changed holds without them.

    Raises:
        StorageError: no run there, a checkpoint that was altered, or data other than those of the run.
        InvalidValue: a change that the run does not allow, such as a patience where it has no early stopping.

    Warns:
        ResumeWarning: no step was made, since the training has ended; names the setting to raise.
    """
    changes = {
        "epochs": epochs,
        "optimizer": optimizer,
        "critic_optimizer": critic_optimizer,
        "learning_rate": learning_rate,
        "early_stopping": early_stopping,
    }
    begun = begin_again(folder, data, changes, sample_weights)
    run = finish(begun, folder=folder, checkpoint_every=checkpoint_every, progress=progress, callbacks=callbacks)
    return _with_suspicion(run, progress)


@in_its_precision
def finish(
    prepared: Trained,
    *,
    folder: str | Path | None = None,
    overwrite: bool = False,
    checkpoint_every: float = 10.0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Train to the end, ask the doctor what it suspects, write the page.

    Args:
        prepared: the record of a training that is prepared.
        folder: as for `train`.
        overwrite: as for `train`.
        checkpoint_every: as for `train`.
        progress: as for `train`.
        callbacks: as for `train`.
    """
    try:
        trained = fit(
            Run.of(prepared),
            folder=folder,
            overwrite=overwrite,
            checkpoint_every=checkpoint_every,
            progress=progress,
            callbacks=callbacks,
        )
    except Exception as error:
        if folder is not None and isinstance(error, TrainingDiverged):
            _write_page(replace(load_trained(folder), data=prepared.data))
        tell(callbacks, "failed", error)
        raise
    run = Run.of(trained)
    shown = progress or folder is not None
    if shown and run.stopped != "interrupted" and run.history.steps_made:
        run.notes = replace(run.notes, suspicion=suspicion(run))
    if folder is not None:
        save(run, RunFolder(folder))
        _write_page(run)
    tell(callbacks, "finished", run)
    return run


def _with_suspicion(run: Run, progress: bool) -> Run:
    if progress and run.notes.suspicion:
        print(f"the doctor suspects {run.notes.suspicion}; run.diagnose() makes sure", file=sys.stderr)
    return run


@in_its_precision
def _write_page(trained: Trained) -> None:
    assert trained.folder is not None
    files = RunFolder(trained.folder)
    files.write_text("report.html", page_of(trained, files))


def load(folder: str | Path) -> Run:
    """Load a saved run, ready to predict, evaluate, sample or translate.

    Args:
        folder: its run folder.

    Raises:
        StorageError: no run there, or one that has no weights yet: resume it first.

    Example:
        >>> import tempfile
        >>> import pellucid as pel
        >>> folder = tempfile.mkdtemp() + "/run"
        >>> run = pel.train((8,), pel.load_dataset("iris"), epochs=2, folder=folder, progress=False)
        >>> load(folder).result == run.result
        True
    """
    return Run.of(load_trained(folder))


def compare(
    data: Dataset | tuple[Any, Any],
    over: Mapping[str, Sequence[Any]],
    *,
    network: Any = None,
    seeds: int | Sequence[int] = 10,
    against: Literal["best", "first"] = "best",
    progress: bool = True,
    **settings: Any,
) -> Comparison:
    """Train every combination of some settings with the same seeds, and compare them with one another.

    All metrics are of the held-out rows, which decide nothing in a training. Picking the best setting by them is
    a decision all the same: its own metric is then a little too good.

    Args:
        data: a `Dataset`, or arrays ``(x, y)``, of which a fifth is then held out.
        over: the values of each setting: ``network``, anything that `train` takes, as ``loss``, ``activation``,
            ``learning_rate``, ``batch_size``; or a dotted name that reaches into one, as ``optimizer.beta1``,
            ``regularizer.strength``, ``network.0.units``.
        network: that of all settings, as for `train`.
        seeds: how many, or which.
        against: compare the settings with the best of them, or the first.
        progress: show the progress on stderr.
        settings: what all have in common, by the names that `train` takes.

    Returns:
        The comparison: a table as text, its rows, the metrics of all trainings.

    Raises:
        InvalidValue: a setting that does not exist, or a value outside what is allowed.
        DataError: no held-out rows to compare on.

    Example:
        >>> from pellucid.data import load_dataset
        >>> over = {"activation": ["relu", "tanh"], "learning_rate": [0.01, 0.1]}
        >>> comparison = compare(load_dataset("iris"), over, network=(8,), seeds=2, epochs=2, progress=False)
        >>> comparison.values("held_out_accuracy").shape
        (4, 2)
    """
    common = {"network": network, **settings}
    compared = comparing.compare_settings(data, over, common, seeds=seeds, against=against, progress=progress)
    runs = tuple(tuple(map(Run.of, of_setting)) for of_setting in compared.runs)
    return Comparison(compared.settings, compared.seeds, runs, compared.against)


def cross_validate(
    network: Any,
    data: Dataset | tuple[Any, Any] | Any,
    *,
    folds: int | Splitter = 5,
    seed: int = 0,
    progress: bool = True,
    **settings: Any,
) -> CrossValidation:
    """Train a network once for each fold of the rows: the fold is held out, the others are trained on.

    Every row is predicted by a network that did not see it. Small networks are trained side by side in one program;
    each training is that of `train` on the fold's dataset, up to rounding, its inputs scaled by its own training rows.

    Args:
        network: as for `train`.
        data: a `Dataset`, all of whose rows take part, first those of ``data.train``, then those of
            ``data.held_out``; or arrays ``(x, y)``, for an autoencoder ``x`` alone.
        folds: how many, at least 2: stratified by class for classes, of whole groups where the rows have groups. Or a
            splitter of scikit-learn, such as ``TimeSeriesSplit(5)`` for rows in the order of time.
        seed: of the folds and of every training.
        progress: show the progress on stderr.
        settings: by the names that `train` takes.

    Returns:
        The cross-validation: metrics of each fold, their mean and standard deviation, predictions, runs.

    Raises:
        InvalidValue: a GAN or a translator, fewer than 2 folds, a setting that does not exist, or a value outside what
            is allowed.
        DataError: fewer rows, groups or rows of a class than the folds need.

    Example:
        >>> import pellucid as pel
        >>> validated = cross_validate((8,), pel.load_dataset("iris"), folds=3, epochs=2, progress=False)
        >>> len(validated.runs), validated.predictions.shape
        (3, (150,))

    Where other libraries differ: scikit-learn's ``cross_validate`` returns a dictionary of scores, and
    ``cross_val_predict`` trains again for the predictions; here one call gives both, and every training as a run.
    """
    return CrossValidation.of(
        cross_validation.train_folds(network, data, settings, count=folds, seed=seed, progress=progress)
    )


def find_learning_rate(
    network: Any,
    data: Dataset | tuple[Any, Any] | Any,
    *,
    seeds: int | Sequence[int] = 5,
    low: float = learning_rates.LOW,
    high: float = learning_rates.HIGH,
    steps: int = learning_rates.STEPS,
    progress: bool = True,
    **settings: Any,
) -> LearningRates:
    """Find a learning rate by short trainings at many rates, repeated over seeds.

    Rates from ``low`` to ``high``, three to a decade, each train for some 200 steps at a constant rate; small networks
    side by side in one program. Where the lowest loss lies at an end, up to two decades more are tried. A training is
    scored by its lowest loss on a fifth of the training rows, set aside by the seed; the held-out rows have no part in
    it. The rate with the lowest mean is suggested. It suits a training that keeps its best epoch; a long one with a
    schedule may begin two or three times higher.

    Args:
        network: as for `train`.
        data: as for `train`.
        seeds: how many, at least 2, or which.
        low: the lowest rate.
        high: the highest rate, at least ten times the lowest.
        steps: of each training, at least 10; it ends with an epoch.
        progress: show the progress on stderr.
        settings: as for `train`: the optimiser, the batch size …

    Returns:
        The search: ``suggestion``, which is refused where the loss is flat or lowest at an end; table and picture.

    Raises:
        InvalidValue: a setting that does not exist, a value outside what is allowed, a GAN, or an optimiser from Optax.

    Example:
        >>> import pellucid as pel
        >>> found = find_learning_rate((16,), pel.load_dataset("iris"), steps=50, progress=False)
        >>> 1e-3 < found.suggestion < 1
        True

    Where other libraries differ: the range test of Smith (fastai, Lightning) raises the rate within one training and
    leaves it to the eye where the loss falls fastest. Here each rate has trainings of its own, which takes longer.

    Source: Smith, Cyclical learning rates for training neural networks, 2017 (the range test).
    """
    tried = learning_rates.try_rates(
        network, data, settings, seeds=seeds, low=low, high=high, steps=steps, progress=progress
    )
    return LearningRates.of(tried)


__all__ = [
    "Plan",
    "Run",
    "compare",
    "cross_validate",
    "find_learning_rate",
    "finish",
    "load",
    "resume",
    "settle",
    "train",
]
