"""A case's program, trained as it is."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.doctor_cases.case import CannotTranslate, Case
from benchmarks.doctor_cases.data import arrays_of, dataset_of
from benchmarks.doctor_cases.layers import kernels_of, network_of
from benchmarks.doctor_cases.losses import loss_of
from benchmarks.doctor_cases.optimizers import Averaged, optimizer_of
from pellucid.architectures.gan import GAN
from pellucid.core.errors import TrainingDiverged
from pellucid.core.registry import describe
from pellucid.core.tunable import as_arrays
from pellucid.core.types import Array
from pellucid.data import Dataset, Part
from pellucid.functions.losses import losses
from pellucid.functions.metrics import Metric, metrics
from pellucid.functions.regularizers import ElasticNet
from pellucid.network import Network
from pellucid.optimizers import SGD
from pellucid.runs.experiment import Experiment
from pellucid.runs.facts import DataFacts
from pellucid.runs.ready import summary_of
from pellucid.runs.trained import Trained
from pellucid.training import Adversarial, History, Recorder, Rows, Scaling, Supervised, Training, initial_state

AS_IT_IS = Scaling(jnp.zeros((), jnp.float32), jnp.ones((), jnp.float32))


@dataclass(frozen=True)
class Unmeasured(Metric):
    """No metric fits what this program compares."""

    name: ClassVar[str] = "unmeasured"
    higher_is_better: ClassVar[bool] = True

    def value(self, prediction: Array, target: Array) -> Array:
        """0."""
        return jnp.zeros(prediction.shape[0], prediction.dtype)


def _metric(case: Case, data: Dataset, outputs: int, targets: np.ndarray) -> Metric:
    if data.task == "regression":
        return metrics.build("mean_absolute_error")
    if outputs > 1 and data.task == "multiclass":
        return metrics.build("accuracy")
    if targets.shape[1:] == (outputs,):
        logits = "logits" in case.program["loss"] or "hinge" in case.program["loss"]
        middle = case.program.get("threshold")
        if middle is None:
            middle = 0.0 if logits else 0.5
        return metrics.build({"name": "binary_accuracy", "threshold": middle})
    return Unmeasured()


def run_of(case: Case, seed: int = 0) -> Trained:
    """Train the program of a case as it is."""
    if case.program["task"] == "gan":
        return gan_run_of(case, seed)
    data, training = training_of(case, seed)
    supervised, optimizer, epochs = training.program, training.optimizer, case.program["epochs"]
    regularizer = regularizer_of(case.program, supervised.network)
    stopped = _train(training, epochs)
    params = training.params
    if isinstance(optimizer, Averaged):
        params = training.state.optimizer.slots["mean"]
    experiment = Experiment(
        network=["flatten"],
        loss=_described(losses, supervised.loss),
        metric=_described(metrics, supervised.metric),
        optimizer=optimizer.name,
        regularizer=None if regularizer is None else describe(regularizer),
        epochs=epochs,
        batch_size=supervised.batch_size,
        shuffle=supervised.shuffle,
        seed=seed,
        class_weights=case.program.get("class_weights"),
        scale_inputs="none",
        scale_targets="none",
    )
    run = Trained.of_training(training, experiment, data, DataFacts.of(data), stopped)
    return replace(run, params=params)


def _described(registry: Any, item: Any) -> Any:
    """The specification of a library's item; an own one as it is."""
    return registry.describe(item) if type(item).__module__.startswith("pellucid.") else item


def training_of(case: Case, seed: int = 0, recorded: bool = True) -> tuple[Dataset, Training]:
    """The data of a case and its training, before the first step; with nothing measured unless ``recorded``."""
    program, data = case.program, dataset_of(case)
    options = program.get("loss_options") or {}
    network = network_of(program["network"], options.get("softmax_axis") == "batch")
    network = network.accepting(data.input_shape)
    loss, optimizer = loss_of(program), optimizer_of(program["optimizer"])
    outputs = summary_of(network, data.input_shape).rows[-1].output_shape[-1]
    regularizer = regularizer_of(program, network)

    def rows(part: Part) -> Rows:
        y = part.y
        if data.task == "multiclass" and loss.target_kind != "classes":
            one_hot = program["data"].get("one_hot") or loss.target_kind == "one_hot"
            y = np.eye(len(data.classes), dtype=np.float32)[y] if one_hot else y[:, None].astype(np.float32)
        if loss.reads == "margins" and loss.target_kind == "numbers":
            y = 2 * y - 1
        return Rows(jax.device_put(part.x), jnp.asarray(y))

    train = rows(data.train)
    if program.get("class_weights") == "balanced":
        labels = data.train.y.reshape(-1).astype(int)
        counts = np.bincount(labels, minlength=len(data.classes))
        weights = len(labels) / ((counts > 0).sum() * np.maximum(counts, 1))
        train = train._replace(weights=jnp.asarray(weights[labels], jnp.float32))
    batch_size = min(program["batch_size"], len(data.train.x))
    metric = _metric(case, data, outputs, np.asarray(train.y))
    supervised = Supervised(network, loss, metric, batch_size, shuffle=program.get("shuffle", True))
    if recorded:
        state = initial_state(network, optimizer, regularizer, data.input_shape, seed, recorder=supervised.recorder)
    else:  # drawn by one program for all optimisers and rates
        supervised = replace(supervised, recorder=Recorder(0))
        state = initial_state(network, SGD(), None, data.input_shape, seed)
        numbers = {"optimizer": optimizer.init(state.params), "regularizer": as_arrays(regularizer)}
        state = state._replace(**numbers)
    held_out = rows(data.held_out) if recorded and data.held_out is not None else None
    return data, Training(
        supervised, AS_IT_IS, train, held_out, optimizer, state, History.begin(supervised, len(data.train.x))
    )


GAN_LOSSES = {"gan": "gan", "gan_minimax": "minimax"}


def _train(training: Training, epochs: int) -> str:
    try:
        for _ in training.run(epochs):
            pass
    except TrainingDiverged:
        return "diverged"
    return "epochs"


def regularizer_of(program: dict[str, Any], network: Network) -> ElasticNet | None:
    """The penalty on every kernel, or on some where layers have their own."""
    common = program.get("regularization") or {}

    def strengths(layer: dict[str, Any]) -> tuple[float, float]:
        own = layer.get("weights") or {}
        l1, l2 = ((common.get(name) or 0.0) + (own.get(name) or 0.0) for name in ("l1", "l2"))
        return l1, l2

    of = {name: strengths(layer) for name, layer in kernels_of(program["network"], network).items()}
    penalised = tuple(name for name, both in of.items() if any(both))
    if not penalised:
        return None
    if len({of[name] for name in penalised}) > 1:
        raise CannotTranslate(f"layers of different penalties: {of}.")
    l1, l2 = of[penalised[0]]
    return ElasticNet(l1=l1, l2=l2, layers=None if len(penalised) == len(of) else penalised)


def gan_run_of(case: Case, seed: int = 0) -> Trained:
    """Train the two networks of a case as it says."""
    program, arrays = case.program, arrays_of(case)
    if program["network"].get("pack", 1) not in (None, 1):
        raise CannotTranslate("a discriminator that judges packs of examples.")
    if program["loss"] not in GAN_LOSSES:
        raise CannotTranslate(f"loss {program['loss']!r} of a GAN. Known: {', '.join(GAN_LOSSES)}.")
    x = arrays["x_train"]
    steps_of_critic = program.get("discriminator_steps") or 1
    adversarial = Adversarial(
        network_of(program["network"]["generator"]),
        network_of(program["network"]["discriminator"]),
        latent=program["latent"],
        loss=GAN_LOSSES[program["loss"]],
        batch_size=program["batch_size"] * steps_of_critic,
        critic_steps=steps_of_critic,
    )
    both = program["optimizer"]
    maker, judge = (optimizer_of(both.get(player, both)) for player in ("generator", "discriminator"))
    state = adversarial.init(maker, judge, None, x.shape[1:], seed)
    per_epoch = -(-len(x) // adversarial.batch_size)
    training = Training(
        adversarial, AS_IT_IS, Rows(jax.device_put(x), None), None, None, state, History.begin(adversarial, len(x))
    )
    stopped = _train(training, -(-program["steps"] // per_epoch))
    data = Dataset("arrays", Part(x, x), None, "generation")
    experiment = Experiment(
        network=GAN(adversarial.generator, adversarial.critic, program["latent"]).describe(),
        loss=adversarial.loss,
        optimizer=describe(maker),
        critic_optimizer=describe(judge),
        critic_steps=steps_of_critic,
        batch_size=program["batch_size"],
        epochs=training.history.epochs_made,
        seed=seed,
    )
    params = {name: training.state.params[name] for name in ("generator", "critic")}
    return replace(Trained.of_training(training, experiment, data, DataFacts.of(data), stopped), params=params)
