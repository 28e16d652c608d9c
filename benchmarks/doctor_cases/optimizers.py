"""The optimisers of the cases."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.core.types import Array
from pellucid.optimizers import SGD, optimizers


@dataclass(frozen=True)
class Averaged(SGD):
    """The perceptron's rule, with the mean of all weights kept to predict with."""

    name: ClassVar[str] = "averaged_perceptron"

    slots: ClassVar[tuple[str, ...]] = ("mean",)

    def direction(
        self, g: Array, w: Array, slots: dict[str, Array], t: Array
    ) -> tuple[Array, dict[str, Array]]:
        """G; the mean of the weights so far."""
        return g, {"mean": slots["mean"] + (w - slots["mean"]) / t}


def optimizer_of(settings: dict[str, Any]) -> Any:
    """The optimiser of a case; a learning rate below 0 is put in past the check."""
    settings = dict(settings)
    name, rate = settings.pop("name"), settings.pop("learning_rate")
    nesterov, momentum = settings.pop("nesterov", False), settings.pop("momentum", 0.0)
    fields = {"rho": "decay"}
    settings = {fields.get(field, field): value for field, value in settings.items() if value is not None}
    if name == "perceptron":
        name = "sgd"
    if name == "sgd" and momentum:
        name = "nesterov" if nesterov else "momentum"
        settings |= {"momentum": momentum} | ({} if nesterov else {"average": False})
    elif name == "rmsprop" and momentum:
        raise ValueError("RMSprop with momentum is not translated")
    if name == "adadelta":  # as Keras has it
        settings = {"decay": 0.95, "epsilon": 1e-7} | settings
    settings["learning_rate"] = abs(rate) or 1e-30
    built = Averaged(**settings) if name == Averaged.name else optimizers.build({"name": name, **settings})
    if rate < 0:
        object.__setattr__(built, "learning_rate", rate)
    return built
