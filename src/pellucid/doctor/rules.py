"""What a training's records say: a table of causes, each with its evidence and the reason of its thresholds."""

import numpy as np

from pellucid.doctor.before import init_ratio
from pellucid.doctor.rule import Evidence, Rule, Subject, table_of
from pellucid.layers import Dropout

RULES: list[Rule] = []
"""Rules that read the history, the recorder's measures and the network that training left."""
rule = table_of(RULES)

GAIN = 0.15
"""What a trial must add to the skill before its change counts as the remedy: seeds alone rarely add more."""


@rule("learning_rate_too_high", "a smaller step alone must help: that is what the name means")
def learning_rate_too_high(s: Subject) -> Evidence | None:
    """A tenth or a hundredth of the rate learns what this rate did not."""
    e = s.e
    loss = e.losses
    jump = (
        float(loss[-1] / max(abs(float(np.nanmin(loss))), 1e-12)) if len(loss) and not e.diverged else np.inf
    )
    numbers = {"last loss / least": jump, "median update / weights": _update(s)}
    if s.reference.healthy and not e.diverged:
        return None
    gain = max(s.trials.slower.values()) - e.skill_new
    numbers["gain of a smaller rate"] = gain
    if gain < GAIN:
        return None
    sure = 0.6 + 0.3 * min(gain, 1) + 0.05 * e.diverged
    said = "the loss ceased to be finite" if e.diverged else f"the loss ended at {loss[-1]:.3g}"
    return Evidence(sure, numbers, f"{said}; a smaller rate gains {gain:.2f} of skill")


@rule("learning_rate_too_low", "a larger step alone must help: that is what the name means")
def learning_rate_too_low(s: Subject) -> Evidence | None:
    """A larger rate learns what this rate did not."""
    e = s.e
    if s.reference.healthy or e.diverged or e.rate <= 0:
        return None
    gain = max(s.trials.faster.values()) - e.skill_new
    if gain < GAIN:
        return None
    update, fall = _update(s), _falling(s)
    sure = 0.55 + 0.3 * min(gain, 1) + 0.1 * (update < 3e-4) - 0.15 * (update > 3e-3)
    return Evidence(
        sure, {"gain of a larger rate": gain, "median update / weights": update, "fall in the last fifth": fall},
        f"an update moves the weights by {update:.1g} of their size; a larger rate gains {gain:.2f} of skill",
    )  # fmt: skip


@rule("too_few_epochs", "more epochs alone must help, and the loss must still be falling")
def too_few_epochs(s: Subject) -> Evidence | None:
    """Eight times the epochs learn what these did not."""
    e = s.e
    if s.reference.healthy or e.diverged:
        return None
    gain = s.trials.longer - e.skill_new
    if gain < GAIN:
        return None
    update, fall = _update(s), _falling(s)
    sure = (
        0.5
        + 0.25 * min(gain, 1)
        + 0.15 * (e.run.experiment.epochs <= 2)
        + 0.1 * (update > 1e-3 and e.steps < 200)
    )
    return Evidence(
        sure, {"gain of more epochs": gain, "updates": e.steps, "fall in the last fifth": fall},
        f"after {e.steps} updates the loss was still falling; eight times as many gain {gain:.2f} of skill",
    )  # fmt: skip


@rule("batch_too_large", "an epoch of one or two updates learns as much as one or two updates")
def batch_too_large(s: Subject) -> Evidence | None:
    """Few updates because a batch takes most of the rows."""
    e = s.e
    per_epoch = e.steps / max(len(e.losses), 1)
    if (
        s.reference.healthy
        or e.diverged
        or per_epoch > 4
        or e.run.experiment.epochs < 8
        or len(e.x) < 64
        or e.steps > 400
    ):
        return None
    gain = s.trials.longer - e.skill_new
    if gain < GAIN:
        return None
    return Evidence(
        0.9, {"updates an epoch": per_epoch, "updates": e.steps, "gain of more": gain},
        f"{e.run.program.batch_size} rows a batch leave {e.steps} updates in all",
    )  # fmt: skip


@rule("batch_too_small", "one row's gradient is noise of the size of the gradient or more")
def batch_too_small(s: Subject) -> Evidence | None:
    """One or a few rows a step, and a smaller step helps."""
    e = s.e
    size = e.run.program.batch_size
    if (s.reference.healthy and not e.diverged) or size > 4 or len(e.x) < 100:
        return None
    gain = max(s.trials.slower.values()) - e.skill_new
    if gain < GAIN:
        return None
    return Evidence(
        0.86 if not e.diverged else 0.5,
        {"batch": size, "gain of a smaller rate": gain},
        f"each update is made from {size} rows",
    )


@rule("weak_optimizer", "a rule whose steps shrink or are too short for every rate")
def weak_optimizer(s: Subject) -> Evidence | None:
    """Plain descent where even a larger rate does not do."""
    e = s.e
    name = getattr(e.training.optimizer, "name", "")
    if s.reference.healthy or e.diverged or name not in ("sgd", "adagrad", "adadelta", "gradient_descent"):
        return None
    gain = max(*s.trials.faster.values(), s.trials.longer) - e.skill_new
    return (
        Evidence(0.3 + 0.1 * (gain > GAIN), {"gain of a larger rate": gain}, f"{name} is slow here")
        if gain > GAIN
        else None
    )


@rule("inputs_not_scaled", "standardising alone must help")
def inputs_not_scaled(s: Subject) -> Evidence | None:
    """Standardised inputs learn what these did not."""
    e = s.e
    if s.reference.healthy or not np.isfinite(e.x).all():
        return None
    size = float(np.sqrt((e.x.astype(np.float64) ** 2).mean()))
    if size < 2:
        return None
    gain = s.trials.standardised - e.skill_new
    if gain < GAIN:
        return None
    return Evidence(
        0.62 + 0.3 * min(gain, 1) + 0.05 * (size > 20), {"root mean square": size, "gain of standardised inputs": gain},
        f"the inputs have a root mean square of {size:.3g}; standardised they gain {gain:.2f} of skill",
    )  # fmt: skip


@rule("targets_not_scaled", "standardising the targets alone must help")
def targets_not_scaled(s: Subject) -> Evidence | None:
    """Standardised targets learn what these did not."""
    e = s.e
    if s.reference.healthy or e.task != "regression":
        return None
    size = float(np.sqrt((e.y.astype(np.float64) ** 2).mean()))
    if size < 8:
        return None
    gain = s.trials.scaled_targets - e.skill_new
    if gain < GAIN:
        return None
    return Evidence(
        0.55 + 0.3 * min(gain, 1), {"root mean square": size, "gain of standardised targets": gain},
        f"the targets have a root mean square of {size:.3g}; standardised they gain {gain:.2f} of skill",
    )  # fmt: skip


@rule("bad_init_large", "drawn anew at Glorot's size, the same training must learn")
def bad_init_large(s: Subject) -> Evidence | None:
    """Weights of Glorot's size learn what these did not."""
    ratio, _, layers = init_ratio(s)
    if s.reference.healthy or ratio < 2 or not layers:
        return None
    gain = s.trials.drawn_anew - s.e.skill_new
    if gain < GAIN:
        return None
    return Evidence(
        0.75 + 0.2 * min(gain, 1),
        {"spread / He's": ratio, "gain of Glorot's": gain},
        f"the initial weights are {ratio:.3g} times He's",
    )


@rule("over_regularised", "without the penalty, or the dropout, the training rows must be learnt better")
def over_regularised(s: Subject) -> Evidence | None:
    """A penalty or dropout that drowns the loss."""
    e = s.e
    rates = [layer.rate for layer in e.network.layers if isinstance(layer, Dropout)]
    l1, l2 = e.penalties
    if s.reference.healthy:
        return None
    if max(rates, default=0) >= 0.75 and e.skill_train < 0.8 * s.reference.best:
        return Evidence(
            0.85,
            {"dropout": max(rates), "skill in training": e.skill_train},
            f"{max(rates):.0%} of the units are dropped",
        )
    if not l1 and not l2:
        return None
    gain = s.trials.unpenalised - e.skill_new
    if gain < 0.7 * GAIN:
        return None
    return Evidence(
        0.8 + 0.17 * min(gain * 2, 1),
        {"l1": l1, "l2": l2, "gain without": gain},
        f"without the penalty the skill gains {gain:.2f}",
    )


@rule("overfitting", "held-out rows must get worse while training rows get better")
def overfitting(s: Subject) -> Evidence | None:
    """Training rows learnt, held-out rows not; or a held-out loss that rises."""
    e = s.e
    table = e.run.history.epochs
    if "held_out_loss" not in table or len(table["epoch"]) < 3 or e.diverged:
        return None
    held = np.asarray(table["held_out_loss"])
    if not np.isfinite(held).all():
        return None
    rise = float(held[-1] / max(held.min(), 1e-9))
    when = float(held.argmin() / len(held))
    gap = e.skill_train - e.skill_new
    numbers = {"last held-out loss / least": rise, "least at": when, "skill gap": gap}
    fits = e.skill_train > 0.75
    if fits and rise > 1.5 and when < 0.7 and (gap > 0.1 or (rise > 2.5 and gap > 0.02)):
        sure = 0.55 + 0.15 * (rise > 3) + 0.15 * (gap > 0.25) + 0.1 * (not s.reference.healthy)
        return Evidence(
            sure,
            numbers,
            f"the held-out loss rose to {rise:.2g} times its least while the training loss fell",
        )
    if fits and gap > 0.3:
        return Evidence(
            0.5,
            numbers,
            f"training rows are learnt with {e.skill_train:.2f}, held-out rows with {e.skill_new:.2f}",
        )
    return None


@rule(
    "class_imbalance",
    "a class that is ignored because of its share is found far less often than the common ones",
)
def class_imbalance(s: Subject) -> Evidence | None:
    """Rare classes that are found far less often than common ones."""
    if (
        not s.e.classifies
        or s.e.labels is None
        or s.e.labels_new is None
        or s.e.training.train.weights is not None
    ):
        return None
    values, counts = np.unique(s.e.labels, return_counts=True)
    if len(values) < 2:
        return None
    rare = values[counts < 0.5 * counts.max() if len(values) == 2 else counts < 0.34 * counts.max()]
    if not len(rare) or s.e.prediction_new is None:
        return None
    decided, truth = s.e.decide(s.e.prediction_new), s.e.labels_new
    recall = {
        value: float((decided[truth == value] == value).mean()) for value in values if (truth == value).any()
    }
    of_rare = float(np.mean([recall[value] for value in rare if value in recall] or [1.0]))
    of_common = float(np.mean([recall[value] for value in recall if value not in rare] or [0.0]))
    share = float(counts.min() / counts.max())
    numbers = {"rarest / commonest": share, "recall of rare classes": of_rare, "of common classes": of_common}
    if of_rare > of_common - 0.2:
        return None
    odds = (
        0.6
        + 0.3 * float(of_common > 0.7) * (1 - of_rare)
        - 0.2 * float(of_common < 0.5)
        - 0.2 * (share > 0.3)
    )
    return Evidence(
        odds, numbers, f"rare classes are found with {of_rare:.0%}, common ones with {of_common:.0%}"
    )


@rule("missing_hidden_activation", "a chain of linear layers is one linear layer")
def missing_hidden_activation(s: Subject) -> Evidence | None:
    """Hidden layers without an activation on a task that a line does not solve."""
    e = s.e
    if not e.linear or len(e.maps) < 2:
        return None
    if s.reference.healthy:
        return None
    bend = s.reference.curved[1] - s.reference.linear[1] if s.reference.possible else 0.0
    return Evidence(
        0.93 if bend > 0.1 else 0.7,
        {"curved model": s.reference.curved[1], "linear model": s.reference.linear[1]},
        "the hidden layers have no activation",
    )


@rule("not_linearly_separable", "where a curved model learns the training rows and no line does")
def not_linearly_separable(s: Subject) -> Evidence | None:
    """One layer on classes that no line separates."""
    e = s.e
    if not e.linear or len(e.maps) != 1 or not e.classifies or s.reference.healthy:
        perceptron = getattr(e.loss, "name", "") == "perceptron"
        if not (perceptron and len(e.maps) == 1):
            return None
    curved, linear = s.reference.curved[0], s.reference.linear[0]
    if e.loss.name == "perceptron":
        if linear > 0.99:
            return None
        return Evidence(
            0.95,
            {"linear model": linear},
            "no line separates the classes, and the perceptron's rule never settles",
        )
    if curved - linear < 0.1:
        return None
    return Evidence(
        0.92,
        {"curved model": curved, "linear model": linear},
        f"a line reaches {linear:.2f}, a curve {curved:.2f}",
    )


@rule(
    "under_capacity",
    "where a plain method learns the training rows and the network, having come to rest, does not",
)
def under_capacity(s: Subject) -> Evidence | None:
    """Too few units for what there is to learn."""
    e = s.e
    if s.reference.healthy or e.diverged or not s.reference.possible:
        return None
    hidden = [e.weights(i)[0].shape[-1] for i in e.maps[:-1]]
    reach = max(s.reference.curved[0], s.reference.linear[0])
    short = reach - e.skill_train
    if short < 0.1:
        return None
    numbers = {"units": hidden, "skill in training": e.skill_train, "plain method": reach}
    if not hidden and e.linear:
        if s.reference.curved[0] - s.reference.linear[0] < 0.1:
            return None
        return Evidence(0.75, numbers, "the network is linear")
    outputs = e.prediction.shape[-1]
    narrow = min(hidden, default=99)
    if narrow <= 4 and (narrow < outputs or narrow <= 3):
        return Evidence(0.82, numbers, f"a hidden layer has {narrow} units")
    return Evidence(
        0.2 + 0.15 * (narrow <= 8),
        numbers,
        f"training rows are learnt with {e.skill_train:.2f}, where {reach:.2f} is possible",
    )


@rule(
    "vanishing_gradient", "a thousandth of the last layer's gradient moves the first a thousand times slower"
)
def vanishing_gradient(s: Subject) -> Evidence | None:
    """Gradients that shrink towards the input."""
    e = s.e
    if s.reference.healthy or len(e.maps) < 3:
        return None
    sizes = [_delta(e.start.deltas, i) for i in e.maps]
    sizes = [size for size in sizes if size is not None and np.isfinite(size)]
    if len(sizes) < 3 or sizes[-1] == 0:
        return None
    ratio = sizes[0] / sizes[-1]
    if ratio > 0.03:
        return None
    curved = any(
        h.function.name in ("sigmoid", "tanh", "hard_sigmoid", "softsign", "softmax") for h in e.hidden
    )
    return Evidence(
        (0.8 if curved else 0.45) + 0.1 * (ratio < 1e-3),
        {"first / last": ratio},
        f"the first layer's slopes are {ratio:.1g} of the last layer's",
    )


@rule("exploding_gradient", "a gradient that grows by powers of ten through layers or time steps")
def exploding_gradient(s: Subject) -> Evidence | None:
    """Gradients that grow towards the input, or without bound in time."""
    e = s.e
    norms = e.measure("gradient_norm")
    largest = float(np.nanmax(norms)) if norms.size and np.isfinite(norms).any() else 0.0
    recurrent = any("recurrent" in params for params in e.params_start)
    start = max(
        (float(np.sqrt(sum((g**2).sum() for g in grads.values()))) for grads in e.start.grads if grads),
        default=0.0,
    )
    numbers = {"largest gradient norm": largest, "at the start": start}
    if recurrent and not s.reference.healthy and max(largest, start) > 10:
        return Evidence(
            0.9, numbers, f"through the time steps the gradient grew to {max(largest, start):.2g}"
        )
    if e.diverged or largest > 1e3:
        return Evidence(0.45, numbers, f"the gradient grew to {largest:.2g}")
    return None


@rule(
    "saturated_units",
    "within 1 % of the end of its range a unit passes on less than a twentieth of the slope",
)
def saturated_units(s: Subject) -> Evidence | None:
    """Sigmoid-like units in their flat parts."""
    if s.reference.healthy:
        return None
    share = [
        (_flat(h.start, h.function.range), _flat(h.end, h.function.range))
        for h in s.e.hidden
        if np.isfinite(h.function.range).all() and h.function.name != "softmax"
    ]
    if not share:
        return None
    before, after = (max(part) for part in zip(*share, strict=True))
    if max(before, after) < 0.4:
        return None
    return Evidence(
        0.4 + 0.28 * max(before, after) * (before > 0.4),
        {"at the start": before, "at the end": after},
        f"{max(before, after):.0%} of a layer's outputs are at the end of their range",
    )


@rule("dead_relu", "a unit that is 0 for every row gets no gradient, and stays so")
def dead_relu(s: Subject) -> Evidence | None:
    """Rectified units that are zero for every row."""
    if s.reference.healthy:
        return None
    shares = [(_dead(h.start), _dead(h.end)) for h in s.e.hidden if h.function.name == "relu"]
    if not shares:
        return None
    before, after = (max(part) for part in zip(*shares, strict=True))
    numbers = {"at the start": before, "at the end": after}
    if before > 0.5:
        return Evidence(
            0.92, numbers, f"{before:.0%} of a layer's units are zero for every row before the first step"
        )
    if after < 0.4:
        return None
    return Evidence(
        0.4 + 0.42 * after, numbers, f"{after:.0%} of a layer's units are zero for every row at the end"
    )


def _update(s: Subject) -> float:
    ratios = s.e.measure("update_ratio")
    return float(np.nanmedian(ratios)) if np.isfinite(ratios).any() else float("nan")


def _falling(s: Subject) -> float:
    """The share of the whole fall of the loss that fell in the last fifth of the steps."""
    losses = s.e.run.history.step_rows[:, 0]
    if len(losses) < 10:
        return float("nan")
    parts = [float(part.mean()) for part in np.array_split(losses, 5)]
    return (parts[3] - parts[4]) / max(parts[0] - parts[4], 1e-12)


def _delta(deltas: tuple, number: int) -> float | None:
    delta = deltas[number]
    return None if delta is None else float(np.sqrt((delta.astype(np.float64) ** 2).mean()))


def _flat(outputs: np.ndarray, ends: tuple[float, float]) -> float:
    low, high = ends
    margin = 0.01 * (high - low)
    return float(((outputs < low + margin) | (outputs > high - margin)).mean())


def _dead(outputs: np.ndarray) -> float:
    return float((outputs.reshape(-1, outputs.shape[-1]) == 0).all(0).mean())
