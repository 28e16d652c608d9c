"""What can be said before a single step: the program and its rows. Most of it is certain whatever the seed."""

import math

import jax.numpy as jnp
import numpy as np

from pellucid.doctor.examination import DISTANCES, LOGITS, MARGINS, PROBABILITIES
from pellucid.doctor.rule import Evidence, Rule, Subject, table_of
from pellucid.layers import BatchNorm, Frozen

BEFORE: list[Rule] = []
"""Rules that need no history."""
rule = table_of(BEFORE)

FEW_STEPS = 30


# --------------------------------------------------------------------------------------- the rows


@rule("non_finite_inputs", "one such number makes every weight that it meets NaN")
def non_finite_inputs(s: Subject) -> Evidence | None:
    """NaN or infinity among the training inputs."""
    x = s.e.flat(s.e.x)
    rows = int((~np.isfinite(x)).any(1).sum())
    if not rows:
        return None
    return Evidence(0.99, {"rows": rows}, f"{rows} of {len(x)} training rows hold NaN or infinity")


@rule("inputs_not_scaled", "units draw weights for inputs of size 1: at 5 the first step already overshoots")
def inputs_not_scaled(s: Subject) -> Evidence | None:
    """Inputs far from size 1, far off 0, or of very different sizes, and nothing that normalises them."""
    x = _finite(s)
    if any(isinstance(layer, BatchNorm) for layer in s.e.network.layers[:2]):
        return None
    sizes = np.sqrt((x**2).mean(0))
    size = float(np.sqrt((x**2).mean()))
    spreads = x.std(0)
    spreads = spreads[spreads > 1e-12]
    ratio = float(spreads.max() / spreads.min()) if len(spreads) and x.shape[1] < 100 else 1.0
    offset = float(np.median(np.abs(x.mean(0)) / np.maximum(x.std(0), 1e-12))) if x.shape[1] < 100 else 0.0
    if size < 3 and not (ratio > 100 and size > 1):
        return None
    odds = 0.45 + 0.15 * min(2, math.log10(max(size, 1))) + 0.05 * (ratio > 100)
    numbers = {"root mean square": size, "largest spread / smallest": ratio, "mean / spread": offset}
    return Evidence(
        odds,
        numbers | {"largest column": float(sizes.max())},
        f"the inputs have a root mean square of {size:.3g}",
    )


@rule("inputs_scaled_too_small", "inputs of size 0.02 shrink the first layer's gradients fiftyfold")
def inputs_scaled_too_small(s: Subject) -> Evidence | None:
    """Inputs so small that the first layer sees next to nothing."""
    size = float(np.sqrt((_finite(s) ** 2).mean()))
    if size > 0.02 or size == 0:
        return None
    return Evidence(0.9, {"root mean square": size}, f"the inputs have a root mean square of {size:.3g}")


@rule("targets_not_scaled", "a fresh network gives outputs of size 1")
def targets_not_scaled(s: Subject) -> Evidence | None:
    """Targets of a regression far larger than a fresh network's outputs."""
    if s.e.task != "regression":
        return None
    y = s.e.y
    size = float(np.sqrt((y.astype(np.float64) ** 2).mean()))
    if size < 8:
        return None
    return Evidence(
        0.35 + 0.1 * min(3, math.log10(size / 8 + 1)),
        {"root mean square": size},
        f"the targets have a root mean square of {size:.3g}",
    )


@rule("train_test_mismatch", "half a spread, in most columns, is far outside what drawing rows does")
def train_test_mismatch(s: Subject) -> Evidence | None:
    """Held-out inputs of other means or spreads than the training inputs."""
    if s.e.x_new is None:
        return None
    x, new = _finite(s), s.e.flat(s.e.x_new)
    new = np.where(np.isfinite(new), new, 0)
    floor = max(float(x.std()) * 0.05, 1e-12)
    spread, spread_new = np.maximum(x.std(0), floor), np.maximum(new.std(0), floor)
    alive = (x.std(0) > floor) | (new.std(0) > floor)
    if not alive.any():
        return None
    shift = np.abs(x.mean(0) - new.mean(0))[alive] / np.maximum(spread, spread_new)[alive]
    noise = 3 * math.sqrt(1 / len(x) + 1 / len(new))
    off = float(np.median(shift))
    wider = float(np.median(np.abs(np.log(spread_new / spread))[alive]))
    if off < max(0.5, noise) and wider < max(math.log(2), 2 * noise):
        return None
    return Evidence(
        0.96, {"shift in spreads": off, "spread against training": math.exp(wider)},
        f"in the median column the held-out mean lies {off:.2g} spreads off the training mean",
    )  # fmt: skip


@rule(
    "label_leakage",
    "a single column that orders the classes without a slip in training, and no better than a coin after",
)
def label_leakage(s: Subject) -> Evidence | None:
    """A column that gives the label away in training, but not on held-out rows."""
    if not s.reference.possible or len(s.e.x) < FEW_STEPS:
        return None
    x, new = s.reference.rows
    if x.shape[1] > 500:
        return None
    y, y_new = s.reference.targets
    if s.e.classifies:
        wanted = [(y == value, y_new == value) for value in np.unique(y)]
        tell = np.array(
            [[_order(x[:, j], w), _order(new[:, j], v)] for j in range(x.shape[1]) for w, v in wanted]
        )
        told, after, known, lost = tell[:, 0], tell[:, 1], 0.995, 0.8
    else:
        tell = np.array(
            [[_together(x[:, j], y[:, 0]), _together(new[:, j], y_new[:, 0])] for j in range(x.shape[1])]
        )
        told, after, known, lost = tell[:, 0], tell[:, 1], 0.98, 0.7
    leaks = (told > known) & (after < lost)
    if not leaks.any():
        return None
    which = int(np.flatnonzero(leaks)[0])
    return Evidence(
        0.97, {"columns": int(leaks.sum()), "in training": float(told[which]), "on held-out rows": float(after[which])},
        f"a column tells the label with {told[which]:.3f} in training and {after[which]:.2f} on held-out rows",
    )  # fmt: skip


@rule(
    "label_errors",
    "rows that are alike agree in the held-out part: there is something to learn that the training labels deny",
)
def label_errors(s: Subject) -> Evidence | None:
    """Training labels that like rows disagree on, or that name the held-out classes otherwise."""
    r = s.reference
    if not r.possible or len(s.e.x) < 50 or len(r.targets[1]) < 50:
        return None
    (own, of_new), across = r.agreement, max(r.across, r.curved[1])
    numbers = {
        "neighbours agree in training": own,
        "on held-out rows": of_new,
        "training names held-out": across,
    }
    if of_new > 0.35 and own < 0.25 * of_new and across < 0.4 * of_new:
        return Evidence(
            0.97, numbers, f"neighbours agree with {of_new:.2f} on held-out rows, with {own:.2f} in training"
        )
    if of_new > 0.35 and own > 0.5 * of_new and across < own - 0.1 and s.e.classifies:
        renamed = _renamed(s)
        if renamed > across + 0.08:
            return Evidence(
                0.96, numbers | {"with classes renamed": renamed},
                f"held-out rows are named right with {renamed:.2f} instead of {across:.2f} once classes are swapped",
            )  # fmt: skip
    if of_new > 0.5 and s.e.classifies and own < 0.8 * of_new and len(s.e.x) >= 0.9 * len(r.targets[1]):
        return Evidence(
            0.93, numbers, f"neighbours agree with {of_new:.2f} on held-out rows, with {own:.2f} in training"
        )
    if not s.e.classifies and own > 0.4:
        slope = _slope(s)
        if not 0.5 < slope < 2:
            return Evidence(
                0.9,
                numbers | {"slope": slope},
                f"held-out targets are {slope:.2g} times those of like training rows",
            )
    return None


@rule(
    "uninformative_features",
    "a column without spread cannot tell anything; noise columns drown the rest when they outnumber the rows",
)
def uninformative_features(s: Subject) -> Evidence | None:
    """Constant, repeated or pure-noise columns."""
    if not s.reference.possible or s.e.x.ndim != 2 or s.e.x.shape[1] > 1000 or s.e.diverged:
        return None
    x = _finite(s)
    columns = x.shape[1]
    if columns < 5 or (s.e.task == "regression" and s.e.y.shape[1] > 1):
        return None
    constant = x.std(0) < 1e-9
    large = constant & (np.abs(x.mean(0)) > 5 * (np.abs(x[:, ~constant]).mean() if (~constant).any() else 1))
    if large.any():
        return Evidence(
            0.8, {"large constant columns": int(large.sum())}, f"{large.sum()} columns are a large constant"
        )
    y = s.reference.targets[0]
    wanted = np.eye(int(y.max()) + 1)[y] if s.e.classifies else y
    standard = (x - x.mean(0)) / np.where(constant, 1, x.std(0))
    wanted = (wanted - wanted.mean(0)) / np.maximum(wanted.std(0), 1e-9)
    related = np.abs(standard.T @ wanted / len(x)).max(1)
    noise = related < 3 / math.sqrt(len(x))
    if columns > 2 * len(x) and noise.mean() > 0.7:
        return Evidence(
            0.92, {"columns": columns, "rows": len(x), "share unrelated to the target": float(noise.mean())},
            f"{noise.mean():.0%} of {columns} columns are unrelated to the target, with {len(x)} rows",
        )  # fmt: skip
    return None


@rule("no_shuffle", "with labels in order, a batch holds one class, and the last class seen wins")
def no_shuffle(s: Subject) -> Evidence | None:
    """Rows in the order of their labels, taken in that order."""
    if s.e.run.program.shuffle:
        return None
    y = s.e.labels if s.e.classifies else s.e.y[:, 0]
    if y is None or len(y) < 10 or s.e.run.program.batch_size >= len(y):
        return None
    if s.e.classifies:
        same = float((y[1:] == y[:-1]).mean())
        usual = float(sum((y == value).mean() ** 2 for value in np.unique(y)))
        sorted_ = same > usual + 0.5 * (1 - usual)
    else:
        same, usual = abs(float(np.corrcoef(y, np.arange(len(y)))[0, 1])), 0.0
        sorted_ = same > 0.8
    if not sorted_:
        return None
    return Evidence(
        0.95,
        {"neighbouring rows alike": same, "by chance": usual},
        f"{same:.0%} of neighbouring rows have the same label",
    )


@rule(
    "class_imbalance",
    "below a tenth of the commonest class a class can be ignored at the price of a tenth of the loss",
)
def class_imbalance(s: Subject) -> Evidence | None:
    """Classes that are rare, with rows that all weigh alike."""
    if not s.e.classifies or s.e.labels is None or s.e.training.train.weights is not None:
        return None
    _, counts = np.unique(s.e.labels, return_counts=True)
    share = float(counts.min() / counts.max())
    if share > 0.1:
        return None
    return Evidence(
        0.32, {"rarest / commonest": share}, f"the rarest class has {share:.1%} of the rows of the commonest"
    )


@rule("label_errors", "rows that are the same cannot have two labels; a few may differ by chance")
def conflicting_labels(s: Subject) -> Evidence | None:
    """Equal rows of different classes."""
    if not s.e.classifies or s.e.labels is None:
        return None
    _, twins = np.unique(s.e.flat(s.e.x), axis=0, return_inverse=True)
    twins = twins.reshape(-1)
    labels = s.e.labels
    low, high = (np.full(twins.max() + 1, start) for start in (labels.max(), labels.min()))
    np.minimum.at(low, twins, labels)
    np.maximum.at(high, twins, labels)
    share = float((low != high)[twins].mean())
    if share < 0.05:
        return None
    return Evidence(0.4, {"share of rows": share}, f"{share:.0%} of the rows have a twin of another class")


# ------------------------------------------------------------------------------- output, loss, target


@rule("single_unit_softmax", "e^z / e^z = 1 for every z")
def single_unit_softmax(s: Subject) -> Evidence | None:
    """A softmax whose output has one unit."""
    if s.e.last_name == "softmax" and s.e.prediction.shape[-1] == 1:
        return Evidence(0.985, {"units": 1}, "the output is 1 whatever the input")
    return None


@rule("wrong_output_size", "a class without a unit can never be named")
def wrong_output_size(s: Subject) -> Evidence | None:
    """Outputs that are not as many as the classes or targets."""
    outputs = s.e.prediction.shape[-1]
    wanted = len(s.e.run.facts.classes) if s.e.task == "multiclass" else s.e.y.shape[-1]
    if outputs == wanted or (s.e.task == "multiclass" and outputs == 1 and wanted == 2):
        return None
    if s.e.loss.name in MARGINS and wanted <= 2:
        return None
    sure = 0.97 if outputs < wanted else 0.6
    return Evidence(
        sure, {"outputs": outputs, "wanted": wanted}, f"{outputs} outputs for {wanted} classes or targets"
    )


@rule(
    "target_shape", "each example's loss must be its own: it may not change when the targets of the others do"
)
def target_shape(s: Subject) -> Evidence | None:
    """A loss in which an output is compared with the targets of other examples."""
    rows = s.e.probe[:16]
    if len(rows) < 3:
        return None
    outputs = jnp.asarray(s.e.start.outputs[-1][: len(rows)])
    y = np.asarray(s.e.y[s.e.probe[: len(rows)]])
    turned = np.concatenate([y[:1], y[1:][::-1] + (y.max() - y[1:][::-1]) * (y.dtype.kind == "f")])
    before = np.asarray(s.e.loss.value(outputs, jnp.asarray(y)))
    after = np.asarray(s.e.loss.value(outputs, jnp.asarray(turned.astype(y.dtype))))
    changed = float(abs(after[0] - before[0]))
    if not changed > 1e-4 * max(abs(float(before[0])), 1e-6):
        return None
    return Evidence(
        0.985, {"change": changed}, "the loss of one example changes with the targets of the others"
    )


@rule(
    "output_loss_mismatch", "the loss reads its argument as something that the last activation does not give"
)
def output_loss_mismatch(s: Subject) -> Evidence | None:
    """Probabilities against logits, outputs that depend on the batch, a range that the loss is not made for."""
    name, last = s.e.loss.name, s.e.last_name
    outputs = s.e.prediction.shape[-1]
    mixed = _mixes(s)
    if mixed > 1e-4:
        return Evidence(
            0.985,
            {"change": mixed},
            "the prediction for an example changes with the other examples beside it",
        )
    if name in LOGITS and last in ("softmax", "sigmoid"):
        return Evidence(
            0.95, {}, f"{name} takes logits, and the network ends in {last}: the activation is applied twice"
        )
    if name in LOGITS and last in ("tanh", "softsign", "relu"):
        return Evidence(
            0.75, {}, f"{name} takes logits, and the network ends in {last}, which gives only part of them"
        )
    if name in PROBABILITIES and last in (
        "relu",
        "tanh",
        "softsign",
        "elu",
        "selu",
        "leaky_relu",
        "softplus",
        "gelu",
    ):
        return Evidence(0.96, {}, f"{name} takes probabilities, and the network ends in {last}")
    if s.e.task == "multilabel" and last == "softmax":
        return Evidence(0.95, {}, "softmax lets one label win, and several hold at once")
    if name in PROBABILITIES and not name.startswith("binary") and last == "sigmoid" and outputs > 1:
        return Evidence(0.3, {}, f"{name} takes one distribution, and sigmoid gives as many numbers apart")
    if name.startswith("binary") and name in PROBABILITIES and last == "softmax" and outputs > 1:
        return Evidence(0.25, {}, f"{name} takes probabilities apart, and softmax gives one distribution")
    return None


@rule("missing_output_activation", "the logarithm of a raw output is not defined below 0")
def missing_output_activation(s: Subject) -> Evidence | None:
    """A loss of probabilities on raw outputs."""
    if s.e.loss.name in PROBABILITIES and s.e.last_name == "linear":
        return Evidence(
            0.97, {}, f"{s.e.loss.name} takes probabilities, and the network ends without an activation"
        )
    return None


@rule("output_activation_range", "what an activation cannot give, no training can reach")
def output_activation_range(s: Subject) -> Evidence | None:
    """Targets outside the range of the output activation."""
    last = s.e.last
    if last is None:
        return None
    if s.e.loss.name in LOGITS and last.name in ("relu", "softplus"):
        return Evidence(0.96, {}, f"logits take any sign, and {last.name} gives none below 0")
    if s.e.loss.name not in DISTANCES + MARGINS + PROBABILITIES or (
        last.name == "softmax" and s.e.prediction.shape[-1] == 1
    ):
        return None
    if s.e.loss.name in MARGINS:
        return None
    low, high = last.range
    y = s.e.y if s.e.y.ndim > 1 else None
    if y is None:
        return None
    width = max(float(y.max() - y.min()), 1e-12)
    outside = float(((y < low - 0.02 * width) | (y > high + 0.02 * width)).mean())
    if outside < 0.01:
        return None
    sure = 0.97 if outside > 0.05 else 0.7
    return Evidence(
        sure, {"share of targets": outside, "least": float(y.min()), "greatest": float(y.max())},
        f"{outside:.0%} of the targets lie outside {last.name}'s range from {low:g} to {high:g}",
    )  # fmt: skip


@rule("wrong_loss", "a distance of probabilities is flat where the network is wrong and sure of it")
def wrong_loss(s: Subject) -> Evidence | None:
    """A loss made for another task."""
    name, outputs = s.e.loss.name, s.e.prediction.shape[-1]
    if s.e.task == "regression" and name in PROBABILITIES + LOGITS + MARGINS:
        y = s.e.y
        apart = y.min() < -0.01 or y.max() > 1.01
        return Evidence(0.95 if apart else 0.5, {}, f"{name} is made for classes, and numbers are predicted")
    if not s.e.classifies:
        return None
    if name == "mean_absolute_error":
        return Evidence(
            0.9,
            {},
            "an absolute error has the same slope for a small mistake and a large one, and gives up rare classes",
        )
    if name in DISTANCES and s.e.last_name in ("softmax", "sigmoid"):
        return Evidence(
            0.89 if outputs > 1 else 0.5,
            {},
            f"{name} of probabilities is flat where the network is wrong and sure of it",
        )
    if name in DISTANCES and s.e.last_name in ("linear", "relu"):
        return Evidence(0.5, {}, f"{name} treats class numbers as quantities")
    if name in MARGINS and s.e.last_name in ("softmax", "sigmoid"):
        return Evidence(0.93, {}, f"{name} wants scores beyond ±1, and {s.e.last_name} gives none")
    return None


@rule("loss_scale", "summed over a batch of B the gradient is B times that of the mean")
def loss_scale(s: Subject) -> Evidence | None:
    """A loss that is summed over the batch."""
    if s.e.loss.reduction != "sum":
        return None
    size = s.e.run.program.batch_size
    plain = getattr(s.e.training.optimizer, "name", "") in ("sgd", "momentum", "nesterov", "gradient_descent")
    return Evidence(
        (0.9 if size >= 16 else 0.6) if plain else 0.75,
        {"batch": size},
        f"the loss is summed over batches of {size}",
    )


# ---------------------------------------------------------------------------------------- the network


@rule("batch_norm_statistics", "what is not updated stays at mean 0 and variance 1, whatever the inputs are")
def batch_norm_statistics(s: Subject) -> Evidence | None:
    """Batch normalisation that keeps no running statistics."""
    if any(isinstance(layer, BatchNorm) and not layer.update_statistics for layer in s.e.network.layers):
        return Evidence(0.97, {}, "in prediction the layer normalises by statistics that it never learnt")
    return None


@rule("frozen_parameters", "a layer that is drawn at random and kept can only be read, not learnt")
def frozen_parameters(s: Subject) -> Evidence | None:
    """Layers with weights that are not trained."""
    frozen = sum(isinstance(layer, Frozen) for layer in s.e.network.layers)
    still = 0
    for i in s.e.maps:
        if isinstance(s.e.network.layers[i], Frozen):
            continue
        before, after = s.e.weights(i), s.e.weights(i, s.run.params)
        still += all(np.array_equal(b, a) for b, a in zip(before, after, strict=True)) and s.e.steps > 5
    if not frozen + still or (still and not frozen):
        return None
    last = isinstance(s.e.network.layers[s.e.maps[-1]], Frozen)
    return Evidence(
        0.97 if last else 0.88,
        {"frozen": frozen, "layers": len(s.e.maps)},
        f"{frozen} of {len(s.e.maps)} layers with weights are frozen",
    )


@rule("constant_init", "units that begin equal get equal gradients and stay equal")
def constant_init(s: Subject) -> Evidence | None:
    """A hidden layer whose units are all alike at the start."""
    for i in s.e.maps[:-1]:
        for w in s.e.weights(i):
            flat = w.reshape(-1, w.shape[-1])
            if flat.shape[1] > 1 and np.ptp(flat, axis=1).max() <= 1e-6 * max(
                float(np.abs(flat).max()), 1e-6
            ):
                name = s.e.network.names[i]
                return Evidence(
                    0.97,
                    {"layer": name, "weight": float(flat.flat[0])},
                    f"the units of {name} all begin with the same weights",
                )
    return None


@rule("hidden_softmax", "its outputs sum to 1: a layer of n units passes on numbers of size 1/n")
def hidden_softmax(s: Subject) -> Evidence | None:
    """A softmax inside the network."""
    count = sum(h.function.name == "softmax" for h in s.e.hidden)
    return Evidence(0.96, {"layers": count}, f"{count} hidden layers end in softmax") if count else None


@rule("bad_init_large", "three times He's spread multiplies by three at every layer")
def bad_init_large(s: Subject) -> Evidence | None:
    """Initial weights or biases far larger than the number of inputs allows."""
    ratio, _, layers = init_ratio(s)
    bias = max((float(np.abs(p["biases"]).max()) for p in s.e.params_start if "biases" in p), default=0.0)
    if layers == 0 or (ratio < 2.5 and bias < 3):
        return None
    sure = 0.5 + 0.25 * math.log10(max(ratio, bias)) + 0.15 * (layers > 1)
    return Evidence(
        min(0.93, sure),
        {"spread / He's": ratio, "largest bias": bias},
        f"the initial weights are {ratio:.3g} times He's",
    )


@rule("bad_init_small", "a tenth of Glorot's spread divides by ten at every layer")
def bad_init_small(s: Subject) -> Evidence | None:
    """Initial weights so small that the signal dies out between the layers."""
    _, ratio, layers = init_ratio(s)
    if not 0 < ratio < 0.15 or layers < 2:
        return None
    sure = 0.94 if ratio < 0.05 else 0.6
    return Evidence(sure, {"spread / Glorot's": ratio}, f"the initial weights are {ratio:.2g} times Glorot's")


@rule("gradient_ascent", "the first step, made small, must bring the loss down")
def gradient_ascent(s: Subject) -> Evidence | None:
    """An update that points up the loss."""
    import jax

    e = s.e
    state, grads = e.state_start.optimizer, jax.tree.map(jnp.asarray, e.start.grads)
    if not jax.tree.leaves(e.params_start) or not np.isfinite(e.start.loss):
        return None
    update = state.rule.update(grads, state, e.params_start, jnp.zeros(()))
    moved = jax.tree.map(
        lambda new, old, g: float(((new - old) * g).sum()), update.params, e.params_start, grads
    )
    along = sum(jax.tree.leaves(moved))
    if not along > 0:
        return None
    return Evidence(
        0.995, {"slope along the update": along}, "the first update goes up the slope of the loss"
    )


@rule("missing_bias", "without an offset a layer gives 0 for 0")
def missing_bias(s: Subject) -> Evidence | None:
    """Layers without biases where the targets have an offset."""
    bare = [i for i in s.e.maps if getattr(s.e.network.layers[i], "use_biases", True) is False]
    if len(bare) < len(s.e.maps) or not bare:
        return None
    left = (s.e.prediction - s.e.y).mean() if s.e.y.shape == s.e.prediction.shape else np.nan
    return Evidence(
        0.9, {"layers": len(bare), "mean error": float(left)}, f"{len(bare)} layers have no biases"
    )


# ----------------------------------------------------------------------------------------- helpers


def _finite(s: Subject) -> np.ndarray:
    x = s.e.flat(s.e.x).astype(np.float64)
    return np.where(np.isfinite(x), x, 0)


def _order(column: np.ndarray, wanted: np.ndarray) -> float:
    """How well a column tells the wanted rows from the others, as the AUC, either way up: 0.5 not at all, 1 wholly."""
    yes = int(wanted.sum())
    if yes in (0, len(wanted)):
        return 0.5
    from scipy.stats import rankdata

    ranks = rankdata(column)
    area = (ranks[wanted].sum() - yes * (yes + 1) / 2) / (yes * (len(wanted) - yes))
    return float(max(area, 1 - area))


def _together(column: np.ndarray, y: np.ndarray) -> float:
    if column.std() < 1e-12 or y.std() < 1e-12:
        return 0.0
    return float(abs(np.corrcoef(column, y)[0, 1]))


def _renamed(s: Subject) -> float:
    """Skill of the plain methods on the held-out rows once their classes are renamed in the best way."""
    from scipy.optimize import linear_sum_assignment

    r = s.reference
    x, y = r.rows[0][r.chosen], r.targets[0][r.chosen]
    decided = r._vote(x, y, r.rows[1], False)
    truth = r.targets[1]
    count = int(max(y.max(), truth.max())) + 1
    table = np.zeros((count, count))
    np.add.at(table, (decided, truth), 1)
    _, names = linear_sum_assignment(-table)
    return r.skill(names[decided], truth)


def _slope(s: Subject) -> float:
    """How many times the nearest training rows' targets the held-out targets are."""
    r = s.reference
    x, y = r.rows[0][r.chosen], r.targets[0][r.chosen]
    guess, truth = r._vote(x, y, r.rows[1], False)[:, 0], r.targets[1][:, 0]
    guess, truth = guess - guess.mean(), truth - truth.mean()
    return float((truth**2).mean() ** 0.5 / max((guess**2).mean() ** 0.5, 1e-12))


def _mixes(s: Subject) -> float:
    """How far an example's prediction moves when the examples beside it change."""
    x = s.e.x[s.e.probe[:8]]
    if len(x) < 2 or not np.isfinite(x).all():
        return 0.0
    together = s.e.network.forward(s.run.params, s.run.layer_state, jnp.asarray(x)).outputs[-1]
    alone = s.e.network.forward(s.run.params, s.run.layer_state, jnp.asarray(x[:1])).outputs[-1]
    moved = float(jnp.abs(together[0] - alone[0]).max())
    size = float(jnp.abs(alone).max())
    return moved / max(size, 1e-12) if np.isfinite(moved) else 0.0


def init_ratio(s: Subject) -> tuple[float, float, int]:
    """The spread of the initial weights: the largest against He's, the median against Glorot's; how many layers."""
    of_he, of_glorot = [], []
    for i in s.e.maps:
        for w in s.e.weights(i)[:1]:
            inputs = int(np.prod(w.shape[:-1]))
            outputs = w.shape[-1] * int(np.prod(w.shape[:-2]))
            size = float(np.sqrt((w.astype(np.float64) ** 2).mean()))
            if w.size > 3 and size > 0:
                of_he.append(size / math.sqrt(2 / inputs))
                of_glorot.append(size / math.sqrt(2 / (inputs + outputs)))
    if not of_he:
        return 1.0, 1.0, 0
    return max(of_he), float(np.median(of_glorot)), len(of_he)
