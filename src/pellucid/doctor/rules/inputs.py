"""Causes in the inputs: their numbers, and how both parts were prepared."""

import math

import numpy as np

from pellucid.doctor.findings import counted, percent
from pellucid.doctor.rule import (
    CERTAIN,
    CLEAR,
    FAIR,
    LIKELY,
    OPEN,
    POSSIBLE,
    RULES,
    STRONG,
    WEAK,
    Evidence,
    Limit,
    between,
    rule,
)
from pellucid.doctor.skill import as_rows
from pellucid.doctor.subject import Subject
from pellucid.layers import BatchNorm
from pellucid.network import token_layer

TABLE = 100
"""Up to so many columns each is looked at as a quantity of its own; beyond, they are pixels or words."""
BLOCKS = 5
"""Parts of the training rows, in their order, whose means tell whether the rows change along it."""
DRIFT_ROWS = 100
"""Fewest training rows of which that is asked."""
COLUMNS = 1000
"""Up to so many columns each is compared with the target."""


@rule(
    "non_finite_inputs",
    "program",
    meaning="NaN or infinity among the inputs",
    about="NaN or infinity among the inputs. A single one makes the loss of its batch NaN, and every weight with it.",
    alike="A loss that diverges by its rate becomes NaN too, but only after some steps.",
    reason="one such number makes every weight that it meets NaN",
    remedies=("impute the values", "drop the rows"),
)
def non_finite_inputs(s: Subject) -> Evidence | None:
    """NaN or infinity among the training inputs."""
    x = np.asarray(s.e.training.train.x)
    if x.dtype.kind in "biu":
        return None
    rows = int((~np.isfinite(as_rows(x))).any(1).sum())
    if not rows:
        return None
    return Evidence(CERTAIN, {"rows": rows}, f"{rows} of {counted(len(x), 'training row')} hold NaN or infinity")


@rule(
    "inputs_not_scaled",
    "program",
    meaning="the inputs are large, offset or of very different scales",
    about="The inputs are large, far off 0, or of very different sizes. Their size multiplies the gradient of the "
    "first layer's weights, and their differences make the loss a narrow valley in which no single rate fits all "
    "directions.",
    formula="x' = (x − mean) / standard deviation, column by column, from the training rows",
    alike="A rate that is too high: with the inputs standardised the same rate may be fine. Saturated units are often "
    "the consequence.",
    reason="units draw weights for inputs of size 1",
    remedies=("standardise the inputs", "min-max the inputs"),
    trials=("standardised",),
    large=Limit(3, "at a root mean square of 5 the first step already overshoots; standardised inputs have 1"),
    uneven=Limit(100, "one rate cannot fit columns whose gradients differ ten thousandfold"),
    uneven_size=Limit(1, "columns that are all small do no harm, however uneven"),
    most=Limit(2, "powers of ten: a hundred times too large is as wrong as any more"),
)
def inputs_not_scaled(s: Subject, large: float, uneven: float, uneven_size: float, most: float) -> Evidence | None:
    """Inputs far from size 1, or of very different sizes, and nothing that normalises them."""
    x = s.e.finite
    if token_layer(s.e.network) or any(isinstance(layer, BatchNorm) for layer in s.e.network.layers[:2]):
        return None
    table = x.shape[1] < TABLE
    size = float(np.sqrt((x**2).mean()))
    deviations = x.std(0)
    deviations = deviations[deviations > 1e-12]
    ratio = float(deviations.max() / deviations.min()) if len(deviations) and table else 1.0
    offset = float(np.median(np.abs(x.mean(0)) / np.maximum(x.std(0), 1e-12))) if table else 0.0
    if size < large and not (ratio > uneven and size > uneven_size):
        return None
    strength = between(POSSIBLE, FAIR, math.log10(max(size, 1)) / most)
    if s.refuted("standardised"):
        strength = min(strength, POSSIBLE)
    numbers = {"root mean square": size, "largest deviation / smallest": ratio, "mean / deviation": offset}
    numbers["largest column"] = float(np.sqrt((x**2).mean(0)).max())
    return Evidence(strength, numbers, f"the inputs have a root mean square of {size:.3g}")


@rule(
    "inputs_scaled_too_small",
    "program",
    meaning="the inputs were scaled down too far",
    about="The inputs were divided too often, for instance by 255 twice. The first layer's gradients shrink as its "
    "inputs do, and its outputs hardly depend on them.",
    alike="A rate that is too low, or initial weights that are too small.",
    reason="the first layer's gradients shrink as its inputs do",
    remedies=("standardise the inputs",),
    trials=("standardised",),
    small=Limit(0.02, "a fiftieth of the usual size, beyond what Adam or a tenfold rate makes good"),
)
def inputs_scaled_too_small(s: Subject, small: float) -> Evidence | None:
    """Inputs so small that the first layer sees next to nothing."""
    filled = s.e.finite[s.e.finite != 0]  # rows of few words among thousands of columns are not small
    size = float(np.sqrt((filled**2).mean())) if len(filled) else 0.0
    if size > small or size == 0:
        return None
    return Evidence(STRONG, {"root mean square": size}, f"the inputs have a root mean square of {size:.3g}")


LARGE_TARGETS = Limit(8, "a fresh network gives outputs of size 1, and an output bias reaches 8 in a short training")


@rule(
    "targets_not_scaled",
    "program",
    meaning="the targets are far larger than a fresh network produces",
    about="The targets of a regression are far larger than what a fresh network gives, about 1. The output has to "
    "travel that distance by steps of the learning rate's size, or the first gradients are so large that it "
    "overshoots.",
    formula="y' = (y − mean) / standard deviation, from the training rows",
    alike="A rate that is too low (the outputs creep towards the targets), or too high (the squared error explodes).",
    reason="a fresh network gives outputs of size 1",
    remedies=("standardise the targets", "standardise inputs and targets"),
    trials=("scaled_targets",),
    large=LARGE_TARGETS,
    most=Limit(3, "powers of ten: a thousand times too large is as wrong as any more"),
)
def targets_not_scaled(s: Subject, large: float, most: float) -> Evidence | None:
    """Targets of a regression far larger than a fresh network's outputs."""
    if s.e.task != "regression":
        return None
    size = float(np.sqrt((s.e.y.astype(np.float64) ** 2).mean()))
    if size < large:
        return None
    powers = math.log10(size / large + 1) / most
    strength = WEAK if s.refuted("scaled_targets") else between(POSSIBLE, OPEN, powers)
    return Evidence(strength, {"root mean square": size}, f"the targets have a root mean square of {size:.3g}")


@rule(
    "drift",
    "program",
    meaning="the inputs change along the order of the rows, as over time, and the held-out rows come last",
    about="The rows stand in an order, mostly that of time, their inputs change along it, and the last ones were held "
    "out. The network is asked about inputs unlike most of those that it learnt. This is no mistake of preparation: "
    "it is how new rows will come. Rows held out at random would hide it, and promise more than use will keep. What "
    "helps is to learn from the latest rows, to give columns that do not drift (differences from the past, the hour "
    "and the season in place of the date), and to train again as rows come in.",
    formula="the mean of a block of training rows, in their order, lies as far from the mean of all of them as the "
    "held-out mean does",
    alike="A mismatch of preparation: there the training rows themselves are alike from the first to the last.",
    reason="rows taken in their order differ from the mean of the training rows as the held-out rows do",
    remedies=("train on the latest rows", "columns relative to the past", "train again as rows come in"),
    shift=Limit(0.5, "half a standard deviation, in most columns, is far outside what sampling rows does"),
    some=Limit(0.1, "of the columns: what changes with time need not be most of them"),
    follows=Limit(0.5, "of the held-out rows' shift, within the training rows: shuffled rows show none of it"),
    chance=Limit(4, "standard errors of the mean of a block of rows"),
)
def drift(s: Subject, shift: float, some: float, follows: float, chance: float) -> Evidence | None:
    """Held-out inputs that differ from the training inputs as the training rows differ along their order."""
    shifts = _shifts(s)
    if shifts is None:
        return None
    off, along = shifts
    noise = chance * math.sqrt(BLOCKS / len(s.e.x))
    moved = off > max(shift, noise)
    if moved.mean() < some or moved.sum() == 0:
        return None
    changing = (along > np.maximum(follows * off, noise)) & moved
    if changing.sum() <= 0.5 * moved.sum():
        return None
    typical = float(np.median(off[changing]))
    because = (
        f"the inputs change along the order of the rows: in {changing.sum()} of {counted(len(off), 'column')} the "
        f"held-out mean lies {typical:.2g} standard deviations from the training mean, and the training rows change "
        "along their order too, as where rows come in the order of time and the last are held out"
    )
    numbers = {
        "columns": int(changing.sum()),
        "shift": typical,
        "shift within the training rows": float(np.median(along[changing])),
    }
    return Evidence(LIKELY, numbers, because)


def drifts(s: Subject) -> bool:
    """Whether the held-out rows differ from the training rows as those do along their order."""
    return any(one.find(s) for one in RULES if one.name == "drift")


def _shifts(s: Subject) -> tuple[np.ndarray, np.ndarray] | None:
    """Of each column, in standard deviations: how far the held-out mean, and the farthest block, lie from the mean."""
    if s.e.x_new is None or len(s.e.x) < DRIFT_ROWS:
        return None
    x, new = s.e.finite, as_rows(s.e.x_new)
    new = np.where(np.isfinite(new), new, 0)
    deviation = x.std(0)
    alive = deviation > max(float(x.std()) * 0.05, 1e-12)
    if not alive.any() or alive.sum() > COLUMNS:
        return None
    mean = x.mean(0)
    blocks = np.stack([part.mean(0) for part in np.array_split(x, BLOCKS)])
    off, along = np.abs(new.mean(0) - mean), np.abs(blocks - mean).max(0)
    return (off / np.maximum(deviation, 1e-12))[alive], (along / np.maximum(deviation, 1e-12))[alive]


@rule(
    "train_test_mismatch",
    "program",
    meaning="training and held-out rows are prepared differently",
    about="Training and held-out rows were prepared differently: scaled by other numbers, in other units, or from "
    "another source. The network is asked about inputs that it has never seen the like of.",
    alike="Overfitting: there both parts have the same means and deviations.",
    reason="both parts come from one source, unless they were prepared apart",
    remedies=("prepare both alike",),
    shift=Limit(0.5, "half a standard deviation, in most columns, is far outside what sampling rows does"),
    wider=Limit(math.log(2), "a deviation doubled or halved in most columns is not chance either"),
    related=Limit(
        0.3, "of correlation, root mean square over the pairs of columns: other columns stand in their places"
    ),
    chance=Limit(3, "of so many standard errors: with few rows means differ by themselves"),
    seldom=Limit(
        0.05, "of the rows: the deviation of a column that is nearly always the same, as of a word, is chance"
    ),
)
def train_test_mismatch(
    s: Subject, shift: float, wider: float, related: float, chance: float, seldom: float
) -> Evidence | None:
    """Held-out inputs of other means or deviations than the training inputs, or of columns that correlate otherwise."""
    if s.e.x_new is None or token_layer(s.e.network):
        return None
    x, new = s.e.finite, as_rows(s.e.x_new)
    new = np.where(np.isfinite(new), new, 0)
    if drifts(s):
        return None
    floor = max(float(x.std()) * 0.05, 1e-12)
    deviation, deviation_new = np.maximum(x.std(0), floor), np.maximum(new.std(0), floor)
    alive = ((x.std(0) > floor) | (new.std(0) > floor)) & ((x != np.median(x, 0)).mean(0) >= seldom)
    if not alive.any():
        return None
    moved = np.abs(x.mean(0) - new.mean(0))[alive] / np.maximum(deviation, deviation_new)[alive]
    noise = chance * math.sqrt(1 / len(x) + 1 / len(new))
    off = float(np.median(moved))
    widened = float(np.median(np.abs(np.log(deviation_new / deviation))[alive]))
    if off < max(shift, noise) and widened < max(wider, 2 * noise):
        apart = _related_otherwise(x[:, alive], new[:, alive]) if alive.sum() < TABLE else 0.0
        if apart < related + noise / chance:
            return None
        because = f"columns that go together in training do not in the held-out rows: correlations {apart:.2f} apart"
        return Evidence(CLEAR, {"correlations apart": apart}, because)
    times = float(np.exp(np.median(np.log(deviation_new / deviation)[alive])))
    numbers = {"shift in standard deviations": off, "standard deviation against training": times}
    if off >= max(shift, noise):
        because = f"in the median column the held-out mean lies {off:.2g} standard deviations from the training mean"
    else:
        because = f"in the median column the held-out standard deviation is {times:.2g} times that of training"
    return Evidence(CLEAR, numbers, because)


@rule(
    "uninformative_features",
    "program",
    meaning="constant, repeated or noise columns swamp the useful ones",
    about="Columns that are constant, repeated or noise outweigh the useful ones: with more columns than rows there "
    "is always a combination of noise that fits the training rows.",
    alike="Overfitting, of which this is one cause; a network that is too small does not fit the training rows at all.",
    reason="a column without variance cannot tell anything; noise columns drown the rest when they outnumber the rows",
    remedies=("keep the informative columns", "L1 penalty"),
    large=Limit(5, "times the other columns' size: such a constant outweighs them in every unit"),
    copied=Limit(0.5, "of the columns: what the copies tell then weighs more than all else"),
    crowd=Limit(2, "columns a row: there is always a combination of noise that fits"),
    noise=Limit(0.7, "the fraction of columns unrelated to the target at three standard errors"),
)
def uninformative_features(s: Subject, large: float, copied: float, crowd: float, noise: float) -> Evidence | None:
    """Constant, duplicated or pure-noise columns."""
    if not s.baselines.possible or s.e.x.ndim != 2 or s.e.x.shape[1] > COLUMNS or s.e.diverged:
        return None
    x = s.e.finite
    rows, columns = x.shape
    if columns < 5 or (s.e.task == "regression" and s.e.y.shape[1] > 1):
        return None
    constant = without_spread(x)
    usual = np.abs(x[:, ~constant]).mean() if (~constant).any() else 1
    swamping = int((constant & (np.abs(x.mean(0)) > large * usual)).sum())
    if swamping:
        return Evidence(
            LIKELY, {"large constant columns": swamping}, f"{counted(swamping, 'column')} hold a large constant"
        )
    copies = duplicated(x[:, ~constant])
    if copies > copied * columns:
        because = f"{copies} of {columns} columns are copies of others"
        return Evidence(FAIR, {"columns": columns, "duplicated": copies}, because)
    if columns <= crowd * rows:
        return None
    wanted = np.eye(int(s.e.labels.max()) + 1)[s.e.labels] if s.e.labels is not None else s.e.y
    standard = (x - x.mean(0)) / np.where(constant, 1, x.std(0))
    wanted = (wanted - wanted.mean(0)) / np.maximum(wanted.std(0), 1e-9)
    related = np.abs(standard.T @ wanted / rows).max(1)
    unrelated = float((related < 3 / math.sqrt(rows)).mean())
    if unrelated < noise:
        return None
    return Evidence(
        STRONG,
        {"columns": columns, "rows": rows, "fraction unrelated to the target": unrelated},
        f"{percent(unrelated)} of {columns} columns are unrelated to the target, with {counted(rows, 'row')}",
    )


def _related_otherwise(x: np.ndarray, new: np.ndarray) -> float:
    """How far the correlations of the columns lie apart in two parts: root mean square over the pairs."""
    if x.shape[1] < 3 or min(len(x), len(new)) < 10:
        return 0.0
    apart = np.nan_to_num(np.corrcoef(x.T)) - np.nan_to_num(np.corrcoef(new.T))
    pairs = x.shape[1] * (x.shape[1] - 1)
    return float(math.sqrt((apart**2).sum() / pairs))


def without_spread(x: np.ndarray) -> np.ndarray:
    """Which columns are constant."""
    return x.std(0) < 1e-9


def duplicated(x: np.ndarray) -> int:
    """Columns that are copies of an earlier one."""
    return x.shape[1] - len({column.tobytes() for column in x.T})
