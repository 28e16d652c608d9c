"""The optimisers of the cases."""

from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.doctor_cases.case import CannotTranslate
from pellucid.core.errors import InvalidValue, UnknownName
from pellucid.core.tunable import tunable
from pellucid.core.types import Array
from pellucid.optimizers import SGD, optimizers


@tunable
@dataclass(frozen=True)
class Averaged(SGD):
    """The perceptron's rule, with the mean of all weights kept to predict with."""

    name: ClassVar[str] = "averaged_perceptron"

    slots: ClassVar[tuple[str, ...]] = ("mean",)

    def direction(self, g: Array, w: Array, slots: dict[str, Array], t: Array) -> tuple[Array, dict[str, Array]]:
        """G; the mean of the weights so far."""
        return g, {"mean": slots["mean"] + (w - slots["mean"]) / t}


def optimizer_of(settings: dict[str, Any]) -> Any:
    """The optimiser of a case; numbers that pellucid refuses, such as a rate below 0, are put in past the check."""
    settings = {field: value for field, value in settings.items() if value is not None}
    name, rate = settings.pop("name"), settings.pop("learning_rate")
    nesterov, momentum = settings.pop("nesterov", False), settings.pop("momentum", 0.0)
    settings = {{"rho": "decay"}.get(field, field): value for field, value in settings.items()}
    if name == "perceptron":
        name = "sgd"
    if momentum:
        settings["momentum"] = momentum
        if name == "sgd":
            name = "nesterov" if nesterov else "momentum"
            settings |= {} if nesterov else {"average": False}
    if name == "adadelta":  # as Keras has it
        settings = {"decay": 0.95, "epsilon": 1e-7} | settings
    past = {"learning_rate": rate or 1e-30} if rate <= 0 else {}
    for field, sound in (("momentum", 0.5), ("decay", 0.5), ("beta1", 0.5), ("beta2", 0.5), ("epsilon", 1e-30)):
        value = settings.get(field)
        refused = value is not None and (value <= 0 if field == "epsilon" else not 0 <= value < 1)
        if refused:
            past[field], settings[field] = (sound if field == "epsilon" else value), sound
    settings |= {"learning_rate": abs(rate) or 1e-30, "name": name}
    if name == Averaged.name:
        built = Averaged(learning_rate=settings["learning_rate"])
    else:
        try:
            built = optimizers.build(settings)
        except (UnknownName, InvalidValue) as error:
            raise CannotTranslate(str(error)) from error
    for field, value in past.items():
        object.__setattr__(built, field, value)
    return built
