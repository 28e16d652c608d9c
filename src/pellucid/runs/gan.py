"""Generative adversarial networks from one call: train, sample, save, take up again (subject 1.7, 5.10)."""

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import msgspec
import numpy as np

from pellucid.core.errors import InvalidValue, ResumeWarning, ShapeError
from pellucid.core.registry import describe
from pellucid.data import Dataset, Part, make_dataset
from pellucid.functions.schedules import watches_loss
from pellucid.layers import Activation, Dense, Reshape
from pellucid.runs.experiment import GanExperiment
from pellucid.runs.gan_run import GanRun, load_gan, program_of_gan
from pellucid.runs.keeping import data_of_run, keep_compiled_programs, restore, run_to_the_end
from pellucid.runs.resuming import changed, nothing_left, refuse_fewer_epochs, resumed_optimizer
from pellucid.runs.run import DataFacts
from pellucid.runs.scaling import scaling_of
from pellucid.network import Network, summarize
from pellucid.optimizers import Adam, as_optimizer
from pellucid.runs.folder import RunFolder
from pellucid.training import (
    DEFAULT_GROUPS,
    Adversarial,
    GradientPenalty,
    History,
    LipschitzConstraint,
    Rows,
    Training,
    lipschitz_constraints,
)
from pellucid.training.adversarial import GAMES

LEAKY = {"name": "leaky_relu", "alpha": 0.2}


class Custom(NamedTuple):
    """What goes with a loss where nothing else is asked for."""

    critic_steps: int
    restrained: bool
    optimizer: Adam


CUSTOMS = {
    "gan": Custom(1, False, Adam(2e-4, beta1=0.5)),
    "minimax": Custom(1, False, Adam(2e-4, beta1=0.5)),
    "wasserstein": Custom(5, True, Adam(5e-4, beta1=0.5, beta2=0.9)),
}
"""By loss; the first two after Radford et al. 2016, the third after Gulrajani et al. 2017."""


def gan_networks(data: Dataset) -> tuple[Network, Network, int]:
    """A generator, a critic and the size of the generator's noise, dense, for the examples of a dataset.

    Vectors: three hidden layers of 64 and as many numbers of noise as an example has. Images: hidden layers of
    256 and 512 and 64 numbers of noise. The generator ends in a sigmoid where all examples, scaled, lie in [0, 1].

    Args:
        data: the dataset.

    Example:
        >>> from pellucid.data import load_dataset
        >>> generator, critic, latent = gan_networks(load_dataset("digits"))
        >>> generator.names[-3:], critic.names[0], latent
        (('dense_3', 'sigmoid_1', 'reshape_1'), 'flatten_1', 64)
    """
    shape = data.input_shape
    x = data.train.x
    seen = data.preprocessing.apply_numpy(np.stack([x.min(axis=0), x.max(axis=0)]))
    end = "sigmoid" if seen.min() >= 0 and seen.max() <= 1 else None
    if len(shape) == 1:
        hidden = [Dense(64, "relu")] * 3
        return Network(*hidden, Dense(shape[0], end)), Network(*hidden, Dense(1)), shape[0]
    generator = Network(
        Dense(256, LEAKY),
        Dense(512, LEAKY),
        Dense(math.prod(shape), end, weights="glorot_uniform"),
        Reshape(shape),
    )
    critic = Network(Dense(512, LEAKY), Dense(256, LEAKY), Dense(1, weights="glorot_uniform"))
    return generator, critic.accepting(shape), 64


def train_gan(
    generator: Network | None,
    critic: Network | None,
    data: Dataset | Any,
    *,
    latent: int | None = None,
    loss: Literal["wasserstein", "gan", "minimax"] = "wasserstein",
    lipschitz_constraint: LipschitzConstraint | str | Mapping[str, Any] | None = "auto",
    optimizer: Any = None,
    critic_optimizer: Any = None,
    critic_steps: int | None = None,
    epochs: int = 100,
    batch_size: int = 64,
    seed: int = 0,
    record_every: int = 20,
    record: Sequence[str] = DEFAULT_GROUPS,
    histograms_every: int = 0,
    folder: str | Path | None = None,
    overwrite: bool = False,
    checkpoint_every: float = 10.0,
    progress: bool = True,
) -> GanRun:
    """Train a generator and a critic against each other, all updates of both compiled as one program.

    Held-out rows, where the data have any, are judged at the end of each epoch and decide nothing: a critic loss far
    below theirs says that the critic knows its rows by heart.

    Args:
        generator: makes an example of noise; None for that of `gan_networks`.
        critic: one number for an example, without an activation: a score or logit; None for that of `gan_networks`.
        data: a `Dataset`, or an array of examples (rows, …). Targets are left out.
        latent: numbers of noise that the generator starts from; by default that of `gan_networks`.
        loss: ``wasserstein``; ``gan``, which does not saturate; or ``minimax``, which does.
        lipschitz_constraint: what holds the critic: a name or object of `pellucid.training.lipschitz`, None for nothing;
            ``"auto"`` for a gradient penalty under the Wasserstein loss, of strength 0.1 for vectors and 10 for
            images, else None.
        optimizer: the generator's, name or object; by default Adam with small momentum, see `CUSTOMS`.
        critic_optimizer: the critic's; by default the same.
        critic_steps: critic updates to one of the generator; by default 5 under the Wasserstein loss, else 1.
        epochs: passes over the training rows, of which each critic update takes its own, at least 1.
        batch_size: rows of one update, of either player.
        seed: decides initial weights, order of the rows, noise.
        record_every: steps between two measurements of the layers; 0 for none.
        record: what is measured of them, as in `train`.
        histograms_every: steps between two histograms of the same; 0 for none.
        folder: run folder to save to, and to keep checkpoints in while training.
        overwrite: replace the run that ``folder`` holds already.
        checkpoint_every: seconds between checkpoints, where there is a folder.
        progress: show the progress on stderr.

    Returns:
        The run: samples, history.

    Raises:
        InvalidValue: a hyperparameter outside what is allowed, a critic that cannot be one.
        ShapeError: generator, critic and examples do not fit.
        DataError: data that cannot be trained on.
        StorageError: the folder holds a run already, or cannot be written.
        TrainingDiverged: a loss is no longer finite; says at which step, in which network and layer.

    Example:
        >>> from pellucid.data.points import gaussian_ring
        >>> run = train_gan(None, None, gaussian_ring().dataset(500), epochs=1, batch_size=20, progress=False)
        >>> run.sample(3).shape
        (3, 2)

    Source: Goodfellow et al., Generative adversarial nets, 2014; Arjovsky et al., Wasserstein GAN, 2017; Gulrajani
    et al., Improved training of Wasserstein GANs, 2017.
    """
    if not isinstance(data, Dataset):
        data = make_dataset(data, task="generation", held_out=None)
    experiment = experiment_for(
        generator, critic, data, latent=latent, loss=loss, lipschitz_constraint=lipschitz_constraint, optimizer=optimizer,
        critic_optimizer=critic_optimizer, critic_steps=critic_steps, epochs=epochs, batch_size=batch_size,
        seed=seed, record_every=record_every, record=tuple(record), histograms_every=histograms_every,
    )
    return run_gan(
        experiment,
        data,
        folder=folder,
        overwrite=overwrite,
        checkpoint_every=checkpoint_every,
        progress=progress,
    )


def experiment_for(
    generator: Network | None,
    critic: Network | None,
    data: Dataset,
    *,
    latent: int | None = None,
    loss: str = "wasserstein",
    lipschitz_constraint: LipschitzConstraint | str | Mapping[str, Any] | None = "auto",
    optimizer: Any = None,
    critic_optimizer: Any = None,
    critic_steps: int | None = None,
    settings: dict[str, Any] | None = None,
    **counts: Any,
) -> GanExperiment:
    """The experiment of the arguments of `train_gan`, with the defaults that loss and data ask for.

    ``settings`` say how the data are opened again, by default by their name; ``counts`` are epochs, batch_size, seed
    and those of the recorder.
    """
    if loss not in GAMES:
        raise InvalidValue(f"loss must be one of {', '.join(map(repr, GAMES))}. Received: {loss!r}.")
    custom = CUSTOMS[loss]
    usual = gan_networks(data)
    if lipschitz_constraint == "auto":
        lipschitz_constraint = (
            GradientPenalty(0.1 if len(data.input_shape) == 1 else 10.0) if custom.restrained else None
        )
    return GanExperiment(
        generator=(generator or usual[0]).describe(),
        critic=(critic or usual[1]).describe(),
        latent=usual[2] if latent is None else latent,
        loss=loss,
        lipschitz_constraint=None if lipschitz_constraint is None else describe(lipschitz_constraints.build(lipschitz_constraint)),
        optimizer=describe(_registered(custom.optimizer if optimizer is None else optimizer)),
        critic_optimizer=None if critic_optimizer is None else describe(_registered(critic_optimizer)),
        critic_steps=custom.critic_steps if critic_steps is None else critic_steps,
        data=settings or {"name": data.name},
        **counts,
    )


def _registered(optimizer: Any) -> Any:
    optimizer = as_optimizer(optimizer)
    if watches_loss(getattr(optimizer, "learning_rate", None)):
        raise InvalidValue(
            "a schedule on plateaus waits for a loss to fall; those of two players need not. Take cosine_decay."
        )
    if optimizer.name == "optax":
        raise InvalidValue(
            "the optimizers of a GAN are written into its experiment.toml, which Optax's cannot be. Take one by name."
        )
    return optimizer


def run_gan(
    experiment: GanExperiment,
    data: Dataset,
    *,
    folder: str | Path | None = None,
    overwrite: bool = False,
    checkpoint_every: float = 10.0,
    progress: bool = True,
) -> GanRun:
    """Train what an experiment describes.

    Args:
        experiment: the settings.
        data: the dataset.
        folder: run folder to save to.
        overwrite: replace the run that ``folder`` holds already.
        checkpoint_every: seconds between checkpoints.
        progress: show the progress on stderr.
    """
    keep_compiled_programs()
    training = training_of(experiment, data)
    files = None if folder is None else RunFolder(folder)
    if files is not None:
        files.begin(overwrite)
    return _to_the_end(experiment, data, training, files, checkpoint_every, progress)


def _to_the_end(
    experiment: GanExperiment,
    data: Dataset,
    training: Training,
    files: RunFolder | None,
    checkpoint_every: float,
    progress: bool,
    resumed: Sequence[dict[str, Any]] = (),
) -> GanRun:
    """Train from wherever the training is, and save what came of it."""

    def run_now(stopped: str) -> GanRun:
        program, state = training.program, training.state
        assert isinstance(program, Adversarial)
        return GanRun(
            program, {"generator": state.params["average"], "critic": state.params["critic"]}, state.layer_state,
            experiment, DataFacts.of(data), training.history, stopped, training=training, data=data,
            resumed=tuple(resumed),
        )

    if files is not None:
        files.write_manifest(run_now("epochs").manifest)
        files.write_experiment(experiment.to_dict())
    run = run_now(
        run_to_the_end(
            training, experiment.epochs, files, checkpoint_every, progress, _optimizers(experiment)
        )
    )
    if files is not None:
        run.folder = files.path
        run.save(files.path)
    return run


def resume_gan(
    folder: str | Path,
    data: Dataset | None = None,
    *,
    epochs: int | None = None,
    optimizer: Any = None,
    critic_optimizer: Any = None,
    learning_rate: float | None = None,
    checkpoint_every: float = 10.0,
    progress: bool = True,
) -> GanRun:
    """Go on with a GAN that was interrupted, killed or has ended, bit for bit as if it had never stopped.

    Changes are taken and written down as by `resume_run`.

    Args:
        folder: its run folder.
        data: its data, where they came as arrays and cannot be loaded by name.
        epochs: another number of epochs in all, to train longer than was planned.
        optimizer: another optimiser; of the critic too, where it has none of its own.
        critic_optimizer: another optimiser of the critic.
        learning_rate: another learning rate of both.
        checkpoint_every: seconds between checkpoints.
        progress: show the progress on stderr.

    Raises:
        StorageError: no GAN there, a checkpoint that was altered, or data other than those of the run.
        InvalidValue: a change that the run does not allow.

    Warns:
        ResumeWarning: no step was made, since all epochs are made.
    """
    files = RunFolder(folder)
    saved = GanExperiment.from_dict(files.read_experiment())
    experiment = _resettled(saved, epochs, optimizer, critic_optimizer, learning_rate)
    data = data_of_run(files, saved.data, data)
    keep_compiled_programs()
    training = _taken_up(experiment, data, files)
    refuse_fewer_epochs(training, epochs)
    if training.ended(experiment.epochs):
        if files.has("report.html"):
            said = nothing_left(training, experiment.epochs, "resume_gan", files.path)
            warnings.warn(said, ResumeWarning, stacklevel=2)
        if training.ended(saved.epochs) and experiment != saved:  # what changes nothing is not written down
            experiment, training = saved, _taken_up(saved, data, files)
    resumed = files.read_json("manifest.json").get("resumed", []) + changed(saved, experiment, training)
    return _to_the_end(experiment, data, training, files, checkpoint_every, progress, resumed)


def _resettled(
    saved: GanExperiment, epochs: int | None, optimizer: Any, critic_optimizer: Any, learning_rate: Any
) -> GanExperiment:
    """The settings that a GAN goes on with."""
    changes: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    given = {"optimizer": optimizer, "critic_optimizer": critic_optimizer}
    for player, other in given.items():
        before = getattr(saved, player)
        if before is None and other is None:
            continue  # a critic that has the generator's
        chosen = resumed_optimizer(
            saved.optimizer if before is None else before, other, learning_rate, saved.batch_size
        )
        if before is None or as_optimizer(before) != chosen:
            changes[player] = describe(_registered(chosen))
    return msgspec.structs.replace(saved, **changes)


def _taken_up(experiment: GanExperiment, data: Dataset, files: RunFolder) -> Training:
    """The training of an experiment, where the last checkpoint of its folder is."""
    training = training_of(experiment, data)
    restore(training, files, _optimizers(experiment))
    return training


def _optimizers(experiment: GanExperiment) -> dict[str, Any]:
    settings = experiment.to_dict()
    own = settings["optimizer"]
    return {"optimizer/generator": own, "optimizer/critic": settings.get("critic_optimizer", own)}


def training_of(experiment: GanExperiment, data: Dataset) -> Training:
    """The training of an experiment, at its beginning.

    Raises:
        InvalidValue: settings outside what is allowed.
        ShapeError: networks that do not fit the data.
    """
    experiment.check_counts()
    if data.train.weights is not None:
        raise InvalidValue(
            f"the rows of {data.name!r} have weights, and a GAN takes all its rows alike: leave the weights out."
        )
    program = program_of_gan(experiment)
    check_players(program, data)
    rows = len(data.train)
    if program.batch_size > rows:
        raise InvalidValue(
            f"a step takes batch_size · critic_steps = {program.batch_size} rows, but the training part has {rows}. "
            f"Take a batch_size of at most {rows // experiment.critic_steps}."
        )
    optimizer = as_optimizer(experiment.optimizer)
    other = as_optimizer(experiment.critic_optimizer or experiment.optimizer)
    lipschitz_constraint = None if experiment.lipschitz_constraint is None else lipschitz_constraints.build(experiment.lipschitz_constraint)

    def rows_of(part: Part | None) -> Rows | None:
        return None if part is None else Rows(jax.device_put(part.x), None)

    train = rows_of(data.train)
    assert train is not None
    return Training(
        program,
        scaling_of(data.preprocessing),
        train,
        rows_of(data.held_out),
        optimizer,
        program.init(optimizer, other, lipschitz_constraint, data.input_shape, experiment.seed),
        History.begin(program, rows),
    )


def check_players(program: Adversarial, data: Dataset) -> None:
    """Refuse networks that cannot play against each other on ``data``.

    Raises:
        ShapeError: a generator that makes no examples, or a critic that gives more than a number.
        InvalidValue: a critic that ends in an activation with bounds, or that mixes examples.
    """
    shape = data.input_shape
    made = summarize(program.generator, (program.latent,)).rows[-1].output_shape
    if made != shape:
        raise ShapeError(
            f"the generator's output has shape {made}, the examples of {data.name!r} have {shape}. End it with "
            f"Dense({math.prod(shape)})" + (f", Reshape({shape})." if len(shape) > 1 else ".")
        )
    judged = summarize(program.critic, shape).rows[-1].output_shape
    if judged != (1,):
        advice = "End it with Flatten(), Dense(1)." if len(judged) > 1 else "End it with Dense(1)."
        raise ShapeError(
            f"the critic gives one number for an example; its output has shape {judged}. {advice}"
        )
    last = program.critic.layers[-1]
    if isinstance(last, Activation):
        raise InvalidValue(
            f"the critic must end without an activation, in a score or logit. Received: {program.critic.names[-1]}. "
            "The losses take the sigmoid themselves, where there is one."
        )
    mixing = [
        n
        for n, layer in zip(program.critic.names, program.critic.layers, strict=True)
        if layer.depends_on_batch
    ]
    if mixing:
        raise InvalidValue(
            f"the critic's layer {mixing[0]} mixes the examples of a batch, so that no example has a score of its own. "
            "Take LayerNorm."
        )


__all__ = ["GanRun", "gan_networks", "load_gan", "resume_gan", "run_gan", "train_gan"]
