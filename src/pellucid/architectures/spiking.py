"""A network of spiking neurons, trained with surrogate gradients."""

from collections.abc import Sequence

from pellucid.architectures.tasks import output_layer
from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import InvalidValue
from pellucid.data import Dataset
from pellucid.layers import Dense, Layer, LeakyIntegrateAndFire, MeanOverTime, Repeat
from pellucid.network import Network


def spiking(
    data: Dataset, hidden: Sequence[int] = (128,), *, steps: int = 10, leak: float = 0.9, initializer: str = "he_normal"
) -> Network:
    """Build a spiking network: leaky integrate-and-fire layers, then the output layer.

    The weighted inputs flow into the first hidden layer as constant currents for ``steps`` time steps; between hidden
    layers go spikes, 0 or 1; the output layer reads the last hidden layer's firing rates.

    Args:
        data: the dataset whose task decides the output layer.
        hidden: neurons of each hidden layer, at least one layer.
        steps: time steps of one prediction, at least 1.
        leak: fraction of the membrane potential kept at each step, from 0 to 1.
        initializer: of the hidden layers' weights; the output layer takes Glorot's uniform.

    Raises:
        InvalidValue: no hidden layer, a layer without neurons, or ``steps`` or ``leak`` outside its range.

    Example:
        >>> from pellucid.data import load_dataset
        >>> for name in spiking(load_dataset("digits")).names:
        ...     print(name)
        dense_1
        repeat_1
        leaky_integrate_and_fire_1
        mean_over_time_1
        dense_2
        softmax_1

    Source: Neftci, Mostafa, Zenke, Surrogate gradient learning in spiking neural networks, 2019.
    """
    if not hidden:
        raise InvalidValue("a spiking network needs at least one hidden layer, for example (128,). Received: ().")
    layers: list[Layer] = []
    for units in hidden:
        require(units, WholeNumber(1), "neurons of a hidden layer")
        layers.append(Dense(units, weights=initializer))
        if len(layers) == 1:
            # After the weights, so that their product with the constant input is taken once, not at every step.
            layers.append(Repeat(steps))
        layers.append(LeakyIntegrateAndFire(leak=leak))
    return Network(*layers, MeanOverTime(), output_layer(data))
