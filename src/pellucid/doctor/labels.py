"""What can be said of the targets before a single step: do like rows agree, does a column tell them, in what order?"""

import numpy as np

from pellucid.doctor.findings import percent
from pellucid.doctor.limits import Limit
from pellucid.doctor.rule import Evidence, Rule, Subject, table_of

LABELS: list[Rule] = []
"""Rules that read the targets."""
rule = table_of(LABELS)

FEW_ROWS = 30
"""With fewer a column tells the label by chance."""
ENOUGH_ROWS = 50
"""With fewer neighbours are too far away to agree."""
COLUMNS = 500
"""Most columns that are each held against the target."""


@rule(
    "label_leakage",
    "a column that tells the label in training and not on held-out rows is no property of the example",
    slips=Limit(0.005, "1 less the area under its curve: it orders the classes almost without a slip"),
    strays=Limit(0.02, "1 less the correlation with a number: nothing measured follows its target so closely"),
    lost=Limit(0.2, "of either on held-out rows, where a true column would be as good as before"),
)
def label_leakage(s: Subject, slips: float, strays: float, lost: float) -> Evidence | None:
    """A column that gives the label away in training, but not on held-out rows."""
    if not s.reference.possible or s.e.rows < FEW_ROWS:
        return None
    if np.prod(s.e.x.shape[1:]) > COLUMNS:
        return None
    x, new = s.reference.rows
    y, y_new = s.reference.targets
    tell = _orders if s.e.classifies else _follows
    told, after = tell(x, y, y), tell(new, y_new, y)
    leaks = (1 - told < (slips if s.e.classifies else strays)) & (told - after > lost)
    if not leaks.any():
        return None
    which = int(np.flatnonzero(leaks)[0])
    measure = "AUC" if s.e.classifies else "correlation"
    return Evidence(
        0.97,
        {"columns": int(leaks.sum()), "in training": float(told[which]), "on held-out rows": float(after[which])},
        f"a column tells the target of training rows ({measure} {told[which]:.3f}), not of others ({after[which]:.2f})",
    )


@rule(
    "label_errors",
    "rows that are alike agree in the held-out part: there is something to learn that the training labels deny",
    learnable=Limit(0.35, "the agreement of like held-out rows from which on there is something to deny"),
    scrambled=Limit(0.25, "of the held-out agreement: shuffled labels agree as chance does"),
    crossed=Limit(0.4, "of the held-out agreement: shuffled labels do not name held-out rows either"),
    swap=Limit(0.08, "the skill that renaming classes may gain by chance"),
    restored=Limit(0.6, "of the held-out agreement: renaming what was swapped makes it whole again"),
    noisy=Limit(0.2, "of the held-out agreement: flipped labels lower it by their share, drawing rows by less"),
    slope=Limit(2, "numbers of like rows have the same size in both parts, give or take noise"),
    alike=Limit(0.5, "correlation of held-out targets with like training rows': of less, a slope means nothing"),
)
def label_errors(
    s: Subject,
    learnable: float,
    scrambled: float,
    crossed: float,
    swap: float,
    restored: float,
    noisy: float,
    slope: float,
    alike: float,
) -> Evidence | None:
    """Training labels that like rows disagree on, or that name the held-out classes otherwise."""
    r = s.reference
    if not r.possible or s.e.rows < ENOUGH_ROWS or len(r.targets[1]) < ENOUGH_ROWS or r.healthy:
        return None
    if s.e.task == "multilabel":
        return None  # like rows with other labels may still share most of them
    (own, of_new), across = r.agreement, max(r.across, r.curved[1])
    numbers = {"neighbours agree in training": own, "on held-out rows": of_new, "training names held-out": across}
    disagree = f"neighbours agree with {of_new:.2f} on held-out rows, with {own:.2f} in training"
    if of_new > learnable and own < scrambled * of_new and across < crossed * of_new:
        return Evidence(0.97, numbers, disagree)
    if s.e.classifies and of_new > learnable and own > 0.5 * of_new and across < own - 0.1:
        renamed = _renamed(s)
        if renamed > max(across + swap, restored * of_new):
            return Evidence(
                0.96,
                numbers | {"with classes renamed": renamed},
                f"held-out rows are named right with {renamed:.2f} instead of {across:.2f} once classes are swapped",
            )
    if s.e.classifies and of_new > 0.5 and own < (1 - noisy) * of_new and s.e.rows >= 0.9 * len(r.targets[1]):
        return Evidence(0.93, numbers, disagree)
    if not s.e.classifies and own > learnable:
        times, related = _slope(s)
        if related > alike and not 1 / slope < times < slope:
            return Evidence(
                0.9, numbers | {"slope": times}, f"held-out targets are {times:.2g} times those of like training rows"
            )
    return None


@rule(
    "label_errors",
    "rows that are the same cannot have two labels",
    share=Limit(0.05, "of the rows: a few may differ by chance, or by what was not measured"),
)
def conflicting_labels(s: Subject, share: float) -> Evidence | None:
    """Equal rows of different classes."""
    if not s.e.classifies or s.e.labels is None:
        return None
    numbers: dict[bytes, int] = {}
    twins = np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in s.e.x])
    labels = s.e.labels
    low, high = (np.full(twins.max() + 1, start) for start in (labels.max(), labels.min()))
    np.minimum.at(low, twins, labels)
    np.maximum.at(high, twins, labels)
    of_rows = float((low != high)[twins].mean())
    if of_rows < share:
        return None
    return Evidence(0.4, {"share of rows": of_rows}, f"{percent(of_rows)} of the rows have a twin of another class")


@rule(
    "no_shuffle",
    "with labels in order a batch holds one class, and the last class seen wins",
    ordered=Limit(0.5, "of the way from chance to perfect order"),
    unordered=Limit(0.2, "1 less the correlation of a number with its place"),
)
def no_shuffle(s: Subject, ordered: float, unordered: float) -> Evidence | None:
    """Rows in the order of their labels, taken in that order."""
    if s.e.run.program.shuffle:
        return None
    y = s.e.labels if s.e.classifies else s.e.y[:, 0]
    if y is None or len(y) < 10 or s.e.run.program.batch_size >= s.e.rows:
        return None
    if s.e.classifies:
        same = float((y[1:] == y[:-1]).mean())
        usual = float(sum((y == value).mean() ** 2 for value in np.unique(y)))
        in_order = same > usual + ordered * (1 - usual)
    else:
        same, usual = abs(float(np.corrcoef(y, np.arange(len(y)))[0, 1])), 0.0
        in_order = 1 - same < unordered
    if not in_order:
        return None
    said = f"{percent(same)} of neighbouring rows have the same label"
    if not s.e.classifies:
        said = f"the targets follow the order of the rows with a correlation of {same:.2f}"
    return Evidence(0.95, {"neighbouring rows alike": same, "by chance": usual}, said)


@rule(
    "class_imbalance",
    "a rare class can be ignored at the price of its share of the loss",
    share=Limit(0.1, "of the commonest class: below, ignoring it costs less than a tenth"),
)
def class_imbalance(s: Subject, share: float) -> Evidence | None:
    """Classes that are rare, with rows that all weigh alike."""
    if not s.e.classifies or s.e.labels is None or s.e.training.train.weights is not None:
        return None
    classes, counts = np.unique(s.e.labels, return_counts=True)
    rarest = float(counts.min() / counts.max())
    if rarest > share:
        return None
    if s.e.steps and s.reference.recalls(classes[counts <= share * counts.max()]):
        return None  # trained, and not ignored
    said = f"the rarest class has {percent(rarest)} of the rows of the commonest"
    return Evidence(0.32, {"rarest / commonest": rarest}, said)


def _orders(x: np.ndarray, y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """How well each column tells each class from the others: its AUC either way up, 0.5 not at all, 1 wholly.

    Formula:
        AUC = (R − m (m + 1) / 2) / (m (n − m)), R the sum of the ranks of the m rows of the class

    Source: Mann, Whitney, On a test of whether one of two random variables is stochastically larger, 1947.
    """
    ranks = np.empty_like(x)
    for j, column in enumerate(x.T):
        ordered = np.sort(column)
        ranks[:, j] = (np.searchsorted(ordered, column) + np.searchsorted(ordered, column, "right") + 1) / 2
    wanted = (y[:, None] == np.unique(classes)).astype(float)
    yes = wanted.sum(0)
    pairs = yes * (len(y) - yes)
    area = np.where(pairs > 0, (ranks.T @ wanted - yes * (yes + 1) / 2) / np.maximum(pairs, 1), 0.5)
    return np.maximum(area, 1 - area).ravel()


def _follows(x: np.ndarray, y: np.ndarray, _: np.ndarray) -> np.ndarray:
    """The correlation of each column with the first target, without its sign."""
    x, y = x - x.mean(0), y[:, 0] - y[:, 0].mean()
    sizes = np.sqrt((x**2).sum(0) * (y**2).sum())
    return np.where(sizes > 1e-9, np.abs(y @ x) / np.maximum(sizes, 1e-9), 0.0)


def _renamed(s: Subject) -> float:
    """Skill of the plain methods on the held-out rows once their classes are renamed in the best way."""
    from scipy.optimize import linear_sum_assignment

    r = s.reference
    decided, truth = r.named, r.targets[1]
    count = int(max(decided.max(), truth.max())) + 1
    table = np.zeros((count, count))
    np.add.at(table, (decided, truth), 1)
    _, names = linear_sum_assignment(-table)
    return r.skill(names[decided], truth)


def _slope(s: Subject) -> tuple[float, float]:
    """How many times the nearest training rows' targets the held-out targets are, and their correlation.

    Formula:
        β = Σ ĝ t / Σ ĝ², r = Σ ĝ t / √(Σ ĝ² Σ t²), over all outputs, each less its mean; ĝ the neighbours' mean
    """
    r = s.reference
    guess, truth = (part - part.mean(0) for part in (r.named, r.targets[1]))
    both, own, other = (float((a * b).sum()) for a, b in ((guess, truth), (guess, guess), (truth, truth)))
    return both / max(own, 1e-12), both / max((own * other) ** 0.5, 1e-12)
