"""From the words of the user to a training that is settled."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pellucid.architectures.by_name import Architecture, build_by_name, fields_of, find_architecture
from pellucid.architectures.feedforward import feedforward
from pellucid.architectures.front import with_front
from pellucid.architectures.gan import GAN, USUAL
from pellucid.architectures.tasks import OUTPUTS, loss_and_network, usual_loss
from pellucid.core.errors import InvalidValue, StorageError
from pellucid.core.registry import describe
from pellucid.core.types import Specification
from pellucid.data import Dataset, generation
from pellucid.data.several import ordered
from pellucid.data.targets import UNTARGETED
from pellucid.functions.activations import activations
from pellucid.functions.losses import losses
from pellucid.functions.metrics import metrics
from pellucid.functions.regularizers import regularizers
from pellucid.functions.schedules import Schedule, watches_loss
from pellucid.layers import Activation
from pellucid.network import Network, build_network, freeze
from pellucid.optimizers import FromOptax, Optimizer, as_optimizer, optimizers
from pellucid.runs import streams
from pellucid.runs.experiment import (
    SETTINGS,
    Experiment,
    as_early_stopping,
    check_names,
    check_values,
    describe_early_stopping,
    vary,
)
from pellucid.runs.folder import RunFolder
from pellucid.runs.given import dataset_of
from pellucid.runs.measures import described, for_steps
from pellucid.runs.recipe import NOT_FOR, Retraining, complete
from pellucid.runs.scaling import scaled_inputs
from pellucid.runs.starting import StartingWeights, hash_of, kept_weights, source_of, starting_weights
from pellucid.training import GradientPenalty, lipschitz_constraints
from pellucid.training.adversarial import GAMES

AnyOptimizer = Optimizer | FromOptax
USUAL_BATCH_SIZE = 32
"""Rows of a step by default."""
USUAL_UNITS = (128,)
"""Units of the hidden layers where no network is given."""
WORDS_OF_NETWORK = ("activation", "initializer", "dropout")


class Plan(NamedTuple):
    """A training whose settings are complete and checked, not yet begun."""

    experiment: Experiment
    """Its settings as plain data."""
    data: Dataset
    """The dataset, as the network takes it: an autoencoder's targets are its inputs."""
    network: Network | GAN
    optimizer: AnyOptimizer
    choices: tuple[str, ...] = ()
    """Defaults chosen where nothing was given, in words."""
    retraining: Retraining | None = None
    """Set where this training only finds the number of steps, and another one on all rows is kept."""
    initial: StartingWeights | None = None
    """Arrays that layers start from."""
    starting: tuple[str, ...] = ()
    """Where each layer starts, in words; empty where all are initialised."""

    @property
    def reported(self) -> str:
        """What was chosen for it, in lines; empty where nothing was."""
        return "\n".join(filter(None, ["; ".join(self.choices), *self.starting]))


def settle(
    network: Network | GAN | Specification | Sequence[int] | None,
    data: Any,
    settings: Mapping[str, Any],
    *,
    sample_weights: Any = None,
    source: Mapping[str, Any] | None = None,
    by_recipe: bool = False,
) -> Plan:
    """Settle the training that `pellucid.train` makes of these arguments, which are explained there.

    Args:
        network: as for `pellucid.train`.
        data: as for `pellucid.train`.
        settings: by name; a dotted name reaches into one, such as ``optimizer.beta1``, ``network.0.units``, or
            ``network.units`` of a network by name.
        sample_weights: as for `pellucid.train`.
        source: how the data are opened again; by default by their name.
        by_recipe: complete the settings by the default recipe where no number of epochs is given.

    Raises:
        InvalidValue: a setting that does not exist or does not belong to this network, or a value outside what is
            allowed.

    Example:
        >>> from pellucid.data import load_dataset
        >>> settle((16,), load_dataset("iris"), {}).experiment.loss
        'sparse_categorical_cross_entropy'
    """
    options = {name: value for name, value in settings.items() if "." not in name}
    inner = {name: value for name, value in settings.items() if "." in name}
    check_names(options)
    check_values(options)
    architecture = find_architecture(network)
    if architecture is not None:
        network, inner = _with_fields(network, inner)
    options = {**(architecture.settings if architecture else {}), **options}
    data = dataset_of(data, network, options.get("loss"), options.get("seed", 0), sample_weights)
    adversarial = isinstance(network, GAN) or (architecture is not None and architecture.learns == "examples")
    _check_program(options, "adversarial" if adversarial else "supervised")
    options.setdefault("name", f"{data.name}-{_short_name(network)}")
    initial = options.pop("initial", None)
    frozen = options.pop("freeze", None)
    by_length = (
        "group_by_length" not in options and data.encoder is not None and data.encoder.of_texts and data.encoder.front
        and architecture is not None and architecture.reads == "sequences"
    )  # fmt: skip
    if by_length:
        options["group_by_length"] = True
    recipe = None
    if by_recipe and not adversarial and options.get("epochs") is None and data.task not in NOT_FOR:
        recipe = complete(
            options,
            data,
            _optimizer(options, as_optimizer("adam")),
            hidden_layers=_hidden_layers(network),
            reached={name.partition(".")[0] for name in inner},
        )
        options = recipe.settings
    words = {name: options.pop(name) for name in WORDS_OF_NETWORK if name in options}
    if isinstance(network, (Network, GAN)) and words:
        raise InvalidValue(
            f"{', '.join(words)}: a setting of networks given by units or by name; this one is given as an object. "
            'Change its layers instead, as in {"network.0.units": 16}.'
        )
    if architecture is not None:
        network, words = _with_words(network, architecture, words), {}
    if adversarial:
        plan = _settle_adversarial(network, data, options)
    else:
        plan = _settle_supervised(network, words, data, options)
    streamed = None if plan.data.stream is None else plan.data.stream.opened
    opened = dict(source or streamed or {"name": plan.data.name})
    if plan.data.task in UNTARGETED:
        opened["task"] = plan.data.task
    plan = plan._replace(experiment=msgspec.structs.replace(plan.experiment, data=opened))
    if by_length:
        plan = plan._replace(choices=(*plan.choices, "batches: examples of similar length"))
    if recipe is not None:
        plan = plan._replace(choices=(*plan.choices, *recipe.choices), retraining=recipe.retraining)
    plan = _with_inner(plan, inner) if inner else plan
    plan = plan if frozen is None else _with_frozen(plan, frozen)
    return plan if initial is None else starting_from(plan, initial)


def _with_fields(network: Any, inner: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The table of a network by name, with its fields that dotted names reach (``network.units``); the other names."""
    fields = {name: value for name, value in inner.items() if _is_field(name)}
    table = {"name": network} if isinstance(network, str) else dict(network)
    rest = {name: value for name, value in inner.items() if name not in fields}
    return table | {name.partition(".")[2]: value for name, value in fields.items()}, rest


def _is_field(name: str) -> bool:
    """True for ``network.units``, a field of a network by name; not for ``network.0.units``, one of its layers."""
    first, _, rest = name.partition(".")
    return first == "network" and not rest.partition(".")[0].isdecimal()


def _hidden_layers(network: Any) -> int | None:
    """Number of hidden layers given by their units; None for a network that is given otherwise."""
    if network is None:
        return len(USUAL_UNITS)
    return len(network) if isinstance(network, Sequence) and not isinstance(network, str) else None


def _short_name(network: Any) -> str:
    if network is None:
        return "128"
    if isinstance(network, (str, Mapping)):
        return network if isinstance(network, str) else str(network["name"])
    if isinstance(network, Sequence):
        return "-".join(map(str, network)) or "linear"
    return "gan" if isinstance(network, GAN) else "network"


def _check_program(options: Mapping[str, Any], program: str) -> None:
    for name in options:
        if SETTINGS[name].program not in (None, program):
            other = "a GAN" if program == "supervised" else "a network that learns targets or its inputs"
            raise InvalidValue(f"{name} is a setting for {other}. Leave it out.")


def _settle_supervised(network: Any, words: dict[str, Any], data: Dataset, options: dict[str, Any]) -> Plan:
    asked_for = {"output layer": isinstance(network, Network)} | {
        name: options.get(name) is not None for name in ("loss", "metric")
    }
    if isinstance(network, Network):
        data = data if data.task == "translation" else ordered(data, network.inputs, network.output_names)
        loss = by_output("loss", network, data, options.get("loss"))
    elif data.inputs or data.heads:
        raise InvalidValue(
            f"{data.name!r} has {len(data.inputs) or 1} inputs and {len(data.heads) or 1} targets by name: the network "
            "that reads them is a Network.graph with these inputs and outputs."
        )
    else:
        if isinstance(network, Mapping):
            network, data = build_by_name(network, scaled_inputs(data, options.get("scale_inputs", "auto")))
        else:
            hidden = USUAL_UNITS if network is None else network
            network = with_front(lambda seen: feedforward(seen, hidden, **words), data, "vectors")
        assert isinstance(network, Network)
        loss, network = loss_and_network(options.get("loss"), network, data)
        loss = for_steps(loss, data.task)
    optimizer = _optimizer(options, as_optimizer("adam"))
    if options.get("loss_weights") is not None and not data.heads:
        raise InvalidValue("loss_weights weigh the losses of several outputs; this network has one. Leave it out.")
    settled: dict[str, Any] = _plain(options) | {
        "network": network.describe(),
        "loss": _described(losses, loss),
        "metric": _described(metrics, by_output("metric", network, data, options.get("metric"))),
        "metrics": _described_lists(options.get("metrics"), data),
        "optimizer": describe(optimizer) if isinstance(optimizer, FromOptax) else optimizers.describe(optimizer),
    }
    if options.get("regularizer") is not None:
        settled["regularizer"] = regularizers.describe(options["regularizer"])
    batch_size = settled.pop("batch_size", None)
    experiment = Experiment(**settled, batch_size="all" if batch_size is None else batch_size)
    if batch_size is None:
        few = max(1, streams.rows_trained_on(data, experiment))
        few_of_part = max(1, few // experiment.accumulate)
        experiment.batch_size = "all" if optimizer.full_batch else min(USUAL_BATCH_SIZE, few_of_part)
    return Plan(experiment, data, network, optimizer, _choices(data, experiment, network, asked_for))


def by_output(what: str, network: Network, data: Dataset, given: Any) -> Any:
    """A loss or metric, that of the task where none is given; a dictionary of one for each of several outputs.

    Args:
        what: ``"loss"`` or ``"metric"``.
        network: the network.
        data: what it is trained on.
        given: as the user gave it.

    Raises:
        InvalidValue: of several outputs, anything but a dictionary by their names.
    """
    registry: Any = losses if what == "loss" else metrics
    if not data.heads:
        return for_steps(registry.build(_usual(what, data) if given is None else given), data.task)
    names, usual = network.output_names, {name: _usual(what, data.of_output(name)) for name in data.heads}
    if given is not None and (not isinstance(given, Mapping) or not set(given) <= set(names)):
        example = ", ".join(f"{name!r}: {value!r}" for name, value in usual.items())
        raise InvalidValue(
            f"{what} is given for each output by its name, as {{{example}}}. Received: {given!r:.80}; the network's "
            f"outputs: {', '.join(names)}."
        )
    return {
        name: for_steps(registry.build((given or {}).get(name, usual[name])), data.heads[name].task) for name in names
    }


def _usual(what: str, data: Dataset) -> Any:
    return usual_loss(data) if what == "loss" else OUTPUTS[data.task].metric


def _described_lists(given: Any, data: Dataset) -> Any:
    """The metrics of the whole held-out part as an experiment holds them: a list, of several outputs one for each."""
    if not data.heads:
        return described(OUTPUTS[data.task].metrics if given is None else given)
    if given is None:
        return None
    if not isinstance(given, Mapping) or not set(given) <= set(data.heads):
        raise InvalidValue(
            f"metrics is a list for each output by its name: {', '.join(data.heads)}. Received: {given!r:.80}."
        )
    return {name: described(listed) for name, listed in given.items()}


def _described(registry: Any, built: Any) -> Any:
    if isinstance(built, dict):
        return {name: registry.describe(one) for name, one in built.items()}
    return registry.describe(built)


def _settle_adversarial(network: Any, data: Dataset, options: dict[str, Any]) -> Plan:
    if isinstance(network, Mapping):
        network, data = build_by_name(network, data)
    assert isinstance(network, GAN)
    data = generation(data)
    loss = options.get("loss") or "wasserstein"
    if loss not in GAMES:
        raise InvalidValue(f"loss must be one of {', '.join(map(repr, GAMES))}. Received: {loss!r}.")
    usual = USUAL[loss]
    constraint = options.get("lipschitz_constraint", "auto")
    if constraint == "auto":
        strength = 0.1 if len(data.input_shape) == 1 else 10.0
        constraint = GradientPenalty(strength) if usual.constrained else None
    optimizer = _optimizer(options, usual.optimizer)
    players = {"optimizer": optimizer}
    if options.get("critic_optimizer") is not None:
        players["critic_optimizer"] = as_optimizer(options["critic_optimizer"])
    for player in players.values():
        refuse_for_gan(player)
    defaults = {"epochs": 100, "batch_size": 64, "critic_steps": usual.critic_steps}
    settled: dict[str, Any] = {**defaults, **_plain(options), "network": network.describe(), "loss": loss}
    settled |= {name: describe(player) for name, player in players.items()}
    settled["lipschitz_constraint"] = (
        None if constraint in (None, "none") else describe(lipschitz_constraints.build(constraint))
    )
    return Plan(Experiment(**settled), data, network, optimizer)


def refuse_for_gan(optimizer: AnyOptimizer) -> None:
    """Refuse an optimiser that cannot train one of two players.

    Raises:
        InvalidValue: one whose schedule waits for a loss to fall, or one from Optax.
    """
    if watches_loss(getattr(optimizer, "learning_rate", None)):
        raise InvalidValue(
            "a schedule on plateaus waits for a loss to fall; those of two players need not. Take cosine_decay."
        )
    if isinstance(optimizer, FromOptax):
        raise InvalidValue(
            "the optimizers of a GAN are written into its experiment.toml, which Optax's cannot be. Take one by name."
        )


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that an experiment takes unchanged; None means the default."""
    plain = {
        name: value for name, value in options.items() if value is not None and name in Experiment.__struct_fields__
    }
    if "class_weights" in plain and isinstance(plain["class_weights"], Mapping):
        plain["class_weights"] = {str(name): weight for name, weight in plain["class_weights"].items()}
    if "record" in plain:
        plain["record"] = tuple(plain["record"])
    if "early_stopping" in plain:
        stopping = as_early_stopping(plain["early_stopping"])
        assert stopping is not None
        plain["early_stopping"] = describe_early_stopping(stopping)
    return plain


def _with_words(network: Any, architecture: Architecture, words: Mapping[str, Any]) -> dict[str, Any]:
    table: dict[str, Any] = {"name": network} if isinstance(network, str) else dict(network)
    known = fields_of(architecture)
    for word in words:
        if word not in known:
            raise InvalidValue(f"the network {table['name']!r} has no {word}. Its fields: {', '.join(known)}.")
    return {**table, **words}


def _optimizer(options: Mapping[str, Any], usual: AnyOptimizer) -> AnyOptimizer:
    """The optimiser, with the learning rate or schedule that is given beside it."""
    optimizer = usual if options.get("optimizer") is None else as_optimizer(options["optimizer"])
    rate, schedule = options.get("learning_rate"), options.get("schedule")
    if rate is None and schedule is None:
        return optimizer
    if not isinstance(optimizer, Optimizer):
        raise InvalidValue(
            "learning_rate: an optimizer from Optax holds its rate inside. Give one of the rate that you want as "
            "optimizer."
        )
    if isinstance(schedule, Schedule):
        if rate is not None:
            raise InvalidValue("learning_rate and schedule: the schedule holds its own rate. Leave learning_rate out.")
        rate = schedule
    elif schedule is not None:
        table = {"name": schedule} if isinstance(schedule, str) else dict(schedule)
        rate = {"learning_rate": optimizer.learning_rate if rate is None else rate} | table
    return replace(optimizer, learning_rate=rate)


def _with_inner(plan: Plan, inner: Mapping[str, Any]) -> Plan:
    experiment = vary(plan.experiment, inner)
    reached = {name.partition(".")[0] for name in inner}
    return plan._replace(
        experiment=experiment,
        network=networks_of(experiment) if "network" in reached else plan.network,
        optimizer=as_optimizer(experiment.optimizer) if "optimizer" in reached else plan.optimizer,
    )


def _with_frozen(plan: Plan, patterns: str | Sequence[str]) -> Plan:
    """The plan with the layers frozen that the patterns match."""
    assert isinstance(plan.network, Network)
    asked_for = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    network = freeze(accepted(plan.network, plan.data), plan.data.input_shape, asked_for)
    experiment = msgspec.structs.replace(plan.experiment, network=network.describe())
    return plan._replace(experiment=experiment, network=network)


def accepted(network: Network, data: Dataset) -> Network:
    """The network as it reads the examples of a dataset."""
    return network if data.task == "translation" else network.accepting(data.input_shape)


def starting_from(plan: Plan, given: Any) -> Plan:
    """The plan whose layers start from weights, as the setting ``initial`` takes them.

    Raises:
        InvalidValue: no layer takes anything from them.
        StorageError: no run in the folder.
    """
    assert isinstance(plan.network, Network)
    network = accepted(plan.network, plan.data)
    initial, starting = starting_weights(given, network, plan.data.input_shape).matched(network, plan.data)
    experiment = msgspec.structs.replace(plan.experiment, initial=initial.describe())
    return plan._replace(experiment=experiment, initial=initial, starting=starting)


def networks_of(experiment: Experiment) -> Network | GAN:
    """The network, or the two networks, that an experiment describes."""
    if experiment.adversarial:
        return GAN.from_description(experiment.network)
    return build_network(experiment.network)


def plan_of(experiment: Experiment, data: Dataset, folder: Path | None = None) -> Plan:
    """The plan of an experiment that is written down, in a run folder where it starts from weights that are kept there.

    Raises:
        StorageError: starting weights that are neither kept there nor in the run folder that the experiment names.
    """
    network = networks_of(experiment)
    if isinstance(network, Network) and (data.inputs or data.heads):
        data = ordered(data, network.inputs, network.output_names)
    plan = Plan(experiment, data, network, as_optimizer(experiment.optimizer))
    if experiment.initial is None:
        return plan
    kept = None if folder is None else kept_weights(RunFolder(folder), experiment)
    if kept is not None:
        return plan._replace(initial=kept)
    source, hash_ = source_of(experiment.initial), hash_of(experiment.initial)
    if not RunFolder(source).exists():
        raise StorageError(
            f"this experiment starts from the weights of {source}, which are neither kept beside it nor a run folder. "
            "Begin it from its own run folder, or train(network, data, initial=…) anew."
        )
    plan = starting_from(plan, source)
    if hash_ is not None and hash_ != hash_of(plan.experiment.initial):
        raise StorageError(f"the weights in {source} are others than those that this experiment started from.")
    return plan


def _choices(data: Dataset, experiment: Experiment, network: Network, asked_for: Mapping[str, bool]) -> tuple[str, ...]:
    """Describe the defaults chosen for a target, in words."""
    if data.heads:
        return tuple(
            f"{what}: {', '.join(f'{name} {_name(one)}' for name, one in getattr(experiment, what).items())}"
            for what in ("loss", "metric")
            if not asked_for[what]
        )
    usual, last = OUTPUTS[data.task], network.layers[-1]
    activation = activations.build(last.function).name if isinstance(last, Activation) else "linear"
    reason = f" ({usual.reason})" if activation == usual.activation or data.task == "reconstruction" else ""
    words = {
        "output layer": f"{activation}, {data.outputs} wide{reason}",
        "loss": _name(experiment.loss),
        "metric": _name(experiment.metric),
    }
    if data.encoder is not None and data.encoder.front and not asked_for["output layer"]:
        words = {"in front": ", ".join(network.names[: len(data.encoder.front)])} | words
    return tuple(f"{what}: {text}" for what, text in words.items() if not asked_for.get(what))


def _name(specification: Any) -> str:
    return specification if isinstance(specification, str) else specification["name"]
