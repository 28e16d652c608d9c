"""Causes in what flows through the layers: gradients that vanish or explode, units that are dead or flat."""

from pellucid.doctor.findings import percent
from pellucid.doctor.limits import HELPS, THROWN, Limit, above, below
from pellucid.doctor.records import not_finite, worst_jump
from pellucid.doctor.rule import DEAD, LIVES, Evidence, Rule, Subject, table_of

SIGNALS: list[Rule] = []
"""Rules that read the layers' outputs and gradients."""
rule = table_of(SIGNALS)

CURVED = ("sigmoid", "tanh", "hard_sigmoid", "softsign", "softmax")
"""Activations whose gradient is below 1 nearly everywhere."""


@rule(
    "vanishing_gradient",
    "what reaches the first layer sets how fast it learns",
    ratio=Limit(0.03, "of the last layer's gradients: the first layer learns thirty times slower"),
    tiny=Limit(1e-3, "of the last layer's gradients: the first layer does not learn at all"),
    deep=Limit(6, "layers with weights: in fewer it is not their number that makes gradients vanish"),
    flat=Limit(0.4, "of a layer's outputs at the start: then it is what drove them there that stops the gradients"),
)
def vanishing_gradient(s: Subject, ratio: float, tiny: float, deep: float, flat: float) -> Evidence | None:
    """Gradients that shrink towards the input."""
    e = s.e
    if s.reference.healthy or len(e.maps) < 3:
        return None
    sizes = e.gradients
    if len(sizes) < 3 or sizes[-1] == 0 or not any(w.any() for w in e.weights(e.maps[-1])):
        return None  # weights that begin at 0 pass nothing back in the first step, and something from then on
    found = sizes[0] / sizes[-1]
    if found > ratio:
        return None
    curved = any(h.function.name in CURVED for h in e.hidden)
    driven = max((e.flat(h)[0] for h in e.hidden if h.bounded), default=0.0)
    none = 0.1 + 0.25 * (not curved and len(e.maps) >= deep)
    return Evidence(
        (0.8 if curved else 0.45) + none * below(found, tiny) - 0.2 * above(driven, flat),
        {"first / last": found, "flat at the start": driven},
        f"the first layer's gradients are {found:.1g} of the last layer's",
    )


@rule(
    "exploding_gradient",
    "a gradient that grows by powers of ten through layers or time steps",
    in_time=Limit(10, "through time steps: one step then moves the weights by all that they are"),
    length=Limit(1e3, "without time steps: a usual gradient has a length of 1 or less"),
)
def exploding_gradient(s: Subject, in_time: float, length: float) -> Evidence | None:
    """Gradients that grow towards the input, or without bound in time."""
    e = s.e
    start, largest = e.gradient_lengths
    recurrent = any("recurrent" in params for params in e.params_start)
    numbers = {"largest gradient norm": largest, "at the start": start}
    if recurrent and not s.reference.healthy and largest > in_time:
        said = f"through the time steps the gradient grew to {largest:.2g}"
        return Evidence(0.9, numbers, said)
    if e.diverged:
        return Evidence(0.45, numbers, f"numbers ceased to be finite{not_finite(e)}")
    if largest > length:
        return Evidence(0.45, numbers, f"the gradient grew to {largest:.2g}")
    return None


@rule(
    "saturated_units",
    "within 1 % of the end of its range a unit passes on less than a twentieth of the gradient",
    share=Limit(0.4, "of a layer's outputs: trained units are often sure, but not of every second row"),
)
def saturated_units(s: Subject, share: float) -> Evidence | None:
    """Sigmoid-like units in their flat parts."""
    if s.reference.healthy:
        return None
    shares = [s.e.flat(h) for h in s.e.hidden if h.bounded]
    if not shares:
        return None
    before, after = (max(part) for part in zip(*shares, strict=True))
    most = max(before, after)
    if most < share:
        return None
    return Evidence(
        0.4 + 0.28 * most * above(before, share, 16),
        {"at the start": before, "at the end": after},
        f"{percent(most)} of a layer's outputs are at the end of their range",
    )


@rule(
    "dead_relu",
    "a unit that is 0 for every row gets no gradient, and stays so",
    start=DEAD,
    end=Limit(0.4, "of a layer after training: healthy ones lose a fifth at times"),
    gain=HELPS,
    lives=LIVES,
    thrown=THROWN,
)
def dead_relu(s: Subject, start: float, end: float, gain: float, lives: float, thrown: float) -> Evidence | None:
    """Rectified units that are zero for every row."""
    if s.reference.healthy:
        return None
    shares = [s.e.dead(h) for h in s.e.hidden if h.function.name == "relu"]
    if not shares:
        return None
    before, after = (max(part) for part in zip(*shares, strict=True))
    numbers = {"at the start": before, "at the end": after}
    if before > start:
        said = f"{percent(before)} of a layer's units are zero for every row before the first step"
        return Evidence(0.55 if s.revived > lives else 0.92, numbers, said)
    if after < end:
        return None
    said = f"{percent(after)} of a layer's units are zero for every row at the end"
    slower = s.gain("slower")
    if slower is None and worst_jump(s.e) > thrown:  # the rate may be the cause
        return Evidence(0.55, numbers, f"{said}, after steps that made the loss spike")
    if slower is not None and slower > gain:  # the rate is the cause
        return Evidence(0.55, numbers, f"{said}; a smaller rate alone helps")
    if s.revived > lives:
        return Evidence(0.55, numbers, f"{said}; with standardised inputs they are not")
    return Evidence(0.4 + 0.42 * after, numbers, said)
