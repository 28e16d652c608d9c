"""What can be said of the rows before a single step: their numbers, labels, order, and how both parts were prepared."""

import math

import numpy as np

from pellucid.doctor.rule import Evidence, Rule, Subject, table_of
from pellucid.layers import BatchNorm

ROWS: list[Rule] = []
"""Rules that read the rows."""
rule = table_of(ROWS)

FEW_ROWS = 30


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
    if not s.reference.possible or len(s.e.x) < FEW_ROWS:
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
    decided = r.vote(x, y, r.rows[1], False)
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
    guess, truth = r.vote(x, y, r.rows[1], False)[:, 0], r.targets[1][:, 0]
    guess, truth = guess - guess.mean(), truth - truth.mean()
    return float((truth**2).mean() ** 0.5 / max((guess**2).mean() ** 0.5, 1e-12))
