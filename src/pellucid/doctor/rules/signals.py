"""Causes in what flows through the layers: gradients that vanish or explode, units that are dead or flat."""

import numpy as np

from pellucid.doctor.findings import percent
from pellucid.doctor.rule import (
    EVEN,
    FAIR,
    HELPS,
    LIKELY,
    OPEN,
    POSSIBLE,
    SPIKED,
    STRONG,
    Evidence,
    Limit,
    above,
    below,
    between,
    rule,
)
from pellucid.doctor.subject import DEAD, LIVES, Subject


@rule(
    "vanishing_gradient",
    "training",
    meaning="gradients die out before they reach the early layers",
    about="On the way back each layer multiplies the gradient by its weights and by the activation's derivative. "
    "Where these products lie below 1, little reaches the early layers, and they stay as they were initialised.",
    formula="δₗ = (Wₗ₊₁ᵀ δₗ₊₁) ⊙ f'(zₗ); a sigmoid's f' is at most 1/4",
    alike="Initial weights that are too small, and softmax inside the network, are causes of it. A rate that is too "
    "low leaves all layers equally still.",
    reason="what reaches the first layer sets how fast it learns",
    remedies=("relu in the hidden layers", "He initialisation", "batch normalisation", "fewer layers"),
    symptom_of=(
        "inputs_not_scaled",
        "inputs_scaled_too_small",
        "learning_rate_too_high",
        "bad_init_large",
        "bad_init_small",
        "hidden_softmax",
    ),
    ratio=Limit(0.03, "of the last layer's gradients: the first layer learns thirty times slower"),
    tiny=Limit(1e-3, "of the last layer's gradients: the first layer does not learn at all"),
    deep=Limit(6, "layers with weights: in fewer it is not their number that makes gradients vanish"),
    flat=Limit(0.4, "of a layer's outputs at the start: then it is what drove them there that stops the gradients"),
)
def vanishing_gradient(s: Subject, ratio: float, tiny: float, deep: float, flat: float) -> Evidence | None:
    """Gradients that shrink towards the input."""
    e = s.e
    if s.baselines.healthy or len(e.maps) < 3:
        return None
    sizes = e.gradients
    if len(sizes) < 3 or sizes[-1] == 0 or not any(w.any() for w in e.weights(e.maps[-1])):
        return None  # weights that begin at 0 pass nothing back in the first step, and something from then on
    found = sizes[0] / sizes[-1]
    if found > ratio:
        return None
    flattens = any(np.isfinite(hidden.function.range).all() for hidden in e.hidden)
    driven = max((e.saturated(h)[0] for h in e.hidden if h.bounded), default=0.0)
    low, high = (LIKELY, STRONG) if flattens else (POSSIBLE, FAIR) if len(e.maps) >= deep else (POSSIBLE, EVEN)
    strength = between(low, high, below(found, tiny))
    strength = between(strength, min(strength, OPEN), above(driven, flat))
    numbers = {"first / last": found, "saturated at the start": driven}
    return Evidence(strength, numbers, f"the first layer's gradients are {found:.1g} of the last layer's")


@rule(
    "exploding_gradient",
    "training",
    meaning="gradients grow through layers or time steps",
    about="The same products above 1 grow with every layer or time step. A single step then throws the weights far "
    "away, or makes them infinite.",
    alike="A rate that is too high makes the weights large, and the gradients grow in consequence.",
    reason="a gradient that grows by powers of ten through layers or time steps",
    remedies=("gradient clipping", "smaller initial weights"),
    symptom_of=("inputs_not_scaled", "targets_not_scaled", "learning_rate_too_high", "loss_scale", "bad_init_large"),
    in_time=Limit(10, "through time steps: one step then moves the weights by all that they are"),
    length=Limit(1e3, "without time steps: a usual gradient has a length of 1 or less"),
)
def exploding_gradient(s: Subject, in_time: float, length: float) -> Evidence | None:
    """Gradients that grow towards the input, or without bound in time."""
    e = s.e
    start, largest = e.gradient_lengths
    recurrent = any("recurrent" in params for params in e.params_start)
    numbers = {"largest gradient norm": largest, "at the start": start}
    if recurrent and not s.baselines.healthy and largest > in_time:
        return Evidence(STRONG, numbers, f"through the time steps the gradient grew to {largest:.2g}")
    if e.diverged:
        return Evidence(POSSIBLE, numbers, f"numbers became NaN or infinite{e.not_finite}")
    if largest > length:
        return Evidence(POSSIBLE, numbers, f"the gradient grew to {largest:.2g}")
    return None


@rule(
    "saturated_units",
    "training",
    meaning="sigmoid-like units sit in their flat parts",
    about="The inputs of sigmoid-like units are so large that the units sit in their flat parts, where the derivative "
    "is next to 0.",
    formula="σ'(z) = σ(z) (1 − σ(z)); below 0.02 for |z| > 4",
    alike="Unscaled inputs, large initial weights and a rate that is too high are its usual causes.",
    reason="within 1 % of the end of its range a unit passes on less than a twentieth of the gradient",
    remedies=("standardise the inputs", "smaller initial weights", "relu"),
    symptom_of=(
        "inputs_not_scaled",
        "targets_not_scaled",
        "learning_rate_too_high",
        "batch_too_small",
        "bad_init_large",
    ),
    fraction=Limit(0.4, "of a layer's outputs: trained units are often sure, but not of every second row"),
)
def saturated_units(s: Subject, fraction: float) -> Evidence | None:
    """Sigmoid-like units in their flat parts."""
    if s.baselines.healthy:
        return None
    shares = [s.e.saturated(h) for h in s.e.hidden if h.bounded]
    if not shares:
        return None
    before, after = (max(part) for part in zip(*shares, strict=True))
    most = max(before, after)
    if most < fraction:
        return None
    return Evidence(
        between(POSSIBLE, OPEN, most * above(before, fraction, 16)),
        {"at the start": before, "at the end": after},
        f"{percent(most)} of a layer's outputs are at the end of their range",
    )


@rule(
    "dead_relu",
    "training",
    meaning="rectified units are zero for every row",
    about="A rectified unit that is 0 for every row has gradient 0 for every row: it never learns again. Large steps "
    "and biases far below 0 kill units.",
    formula="relu'(z) = 0 for z < 0",
    alike="Sparse activity, which is healthy: each unit is 0 for many rows, but not for all.",
    reason="a unit that is 0 for every row gets no gradient, and stays so",
    remedies=("leaky relu", "smaller learning rate", "He initialisation"),
    symptom_of=(
        "inputs_not_scaled",
        "targets_not_scaled",
        "learning_rate_too_high",
        "batch_too_small",
        "loss_scale",
        "bad_init_large",
        "output_activation_range",
    ),
    start=DEAD,
    end=Limit(0.4, "of a layer after training: healthy ones lose a fifth at times"),
    gain=HELPS,
    lives=LIVES,
    spiked=SPIKED,
)
def dead_relu(s: Subject, start: float, end: float, gain: float, lives: float, spiked: float) -> Evidence | None:
    """Rectified units that are zero for every row."""
    if s.baselines.healthy:
        return None
    shares = [s.e.dead(h) for h in s.e.hidden if h.rectifies]
    if not shares:
        return None
    before, after = (max(part) for part in zip(*shares, strict=True))
    numbers = {"at the start": before, "at the end": after}
    if before > start:
        because = f"{percent(before)} of a layer's units are zero for every row before the first step"
        return Evidence(EVEN if s.revived > lives else STRONG, numbers, because)
    if after < end:
        return None
    because = f"{percent(after)} of a layer's units are zero for every row at the end"
    slower = s.gain("slower")
    if slower is None and s.e.worst_jump > spiked:  # the rate may be the cause
        return Evidence(EVEN, numbers, f"{because}, after steps that made the loss spike")
    if slower is not None and slower > gain:  # the rate is the cause
        return Evidence(EVEN, numbers, f"{because}; a smaller rate alone helps")
    if s.revived > lives:
        return Evidence(EVEN, numbers, f"{because}; with standardised inputs they are not")
    return Evidence(between(POSSIBLE, LIKELY, after), numbers, because)
