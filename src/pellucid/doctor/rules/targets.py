"""Causes in the targets: labels that like rows deny, or that a column gives away, their order and their classes."""

import numpy as np

from pellucid.doctor.findings import percent
from pellucid.doctor.rule import CLEAR, POSSIBLE, STRONG, WEAK, Evidence, Limit, rule
from pellucid.doctor.subject import Subject

FEW_ROWS = 30
"""With fewer a column tells the label by chance."""
FEW_OF_CLASS = 5
"""With fewer rows of a class some column orders one of thousands of classes by chance."""
ENOUGH_ROWS = 50
"""With fewer neighbours are too far away to agree."""
COLUMNS = 500
"""Most columns that are each compared with the target."""


@rule(
    "label_leakage",
    "program",
    meaning="an input tells the label in training but not in use",
    about="A column tells the label in the training rows, but will not be there, or not be right, in use. The network "
    "learns that column and little else.",
    alike="Overfitting: there many columns together fit by chance; here one fits by itself.",
    reason="a column that tells the label in training and not on held-out rows is no property of the example",
    remedies=("drop the leaking columns",),
    slips=Limit(0.005, "1 less the area under its curve: it orders the classes almost without a slip"),
    strays=Limit(0.02, "1 less the correlation with a number: nothing measured follows its target so closely"),
    lost=Limit(0.2, "of either on held-out rows, where a true column would be as good as before"),
)
def label_leakage(s: Subject, slips: float, strays: float, lost: float) -> Evidence | None:
    """A column that gives the label away in training, but not on held-out rows."""
    if not s.baselines.possible or s.e.rows < FEW_ROWS:
        return None
    if np.prod(s.e.x.shape[1:]) > COLUMNS:
        return None
    x, new = s.baselines.rows
    y, y_new = s.baselines.targets
    tell = _orders if s.e.classifies else _follows
    classes = _judged(y, y_new) if s.e.classifies else y
    told, after = tell(x, y, classes), tell(new, y_new, classes)
    leaks = (1 - told < (slips if s.e.classifies else strays)) & (told - after > lost)
    if not leaks.any():
        return None
    which = int(np.flatnonzero(leaks)[0])
    measure = "AUC" if s.e.classifies else "correlation"
    return Evidence(
        CLEAR,
        {"columns": int(leaks.sum()), "in training": float(told[which]), "on held-out rows": float(after[which])},
        f"a column tells the target of training rows ({measure} {told[which]:.3f}), not of others ({after[which]:.2f})",
    )


@rule(
    "label_errors",
    "probe",
    meaning="labels are wrong",
    about="The labels of training rows are wrong: shuffled, swapped between classes, or given at random. Alike rows "
    "then contradict each other, and a network that learns them by heart gets worse on new rows.",
    alike="Overfitting and an under-sized network; here rows that are alike disagree about their label.",
    reason="rows that are alike agree in the held-out part: there is something to learn that the training labels deny",
    remedies=("correct the labels", "fewer epochs", "L2 penalty"),
    learnable=Limit(0.35, "the agreement of like held-out rows above which there is something to deny"),
    scrambled=Limit(0.25, "of the held-out agreement: shuffled labels agree as chance does"),
    crossed=Limit(0.4, "of the held-out agreement: shuffled labels do not name held-out rows either"),
    swap=Limit(0.08, "the skill that renaming classes may gain by chance"),
    restored=Limit(0.6, "of the held-out agreement: renaming what was swapped makes it whole again"),
    noisy=Limit(0.2, "of the held-out agreement: flipped labels lower it by their fraction, drawing rows by less"),
    together=Limit(0.5, "of the held-out agreement: labels swapped between classes still agree among themselves"),
    astray=Limit(0.1, "of agreement: such labels name held-out rows worse than each other by more than chance"),
    clear=Limit(0.5, "the agreement of like held-out rows above which flipped labels show"),
    enough=Limit(0.9, "of the number of held-out rows: fewer training rows agree less by themselves"),
    slope=Limit(2, "numbers of like rows have the same size in both parts, give or take noise"),
    related=Limit(0.5, "correlation of held-out targets with like training rows': of less, a slope means nothing"),
)
def label_errors(
    s: Subject,
    learnable: float,
    scrambled: float,
    crossed: float,
    swap: float,
    restored: float,
    noisy: float,
    together: float,
    astray: float,
    clear: float,
    enough: float,
    slope: float,
    related: float,
) -> Evidence | None:
    """Training labels that like rows disagree on, or that name the held-out classes otherwise."""
    b = s.baselines
    if not b.possible or s.e.rows < ENOUGH_ROWS or len(b.targets[1]) < ENOUGH_ROWS or b.healthy:
        return None
    if s.e.task == "multilabel":
        return None  # like rows with other labels may still have most in common of them
    (own, of_new), across = b.agreement, max(b.across, b.curved[1])
    numbers = {"neighbours agree in training": own, "on held-out rows": of_new, "training names held-out": across}
    disagree = f"neighbours agree with {of_new:.2f} on held-out rows, with {own:.2f} in training"
    if of_new > learnable and own < scrambled * of_new and across < crossed * of_new:
        return Evidence(CLEAR, numbers, disagree)
    if s.e.classifies and of_new > learnable and own > together * of_new and across < own - astray:
        renamed = _renamed(s)
        if renamed > max(across + swap, restored * of_new):
            return Evidence(
                CLEAR,
                numbers | {"with classes renamed": renamed},
                f"held-out rows are named right with {renamed:.2f} instead of {across:.2f} once classes are swapped",
            )
    if s.e.classifies and of_new > clear and own < (1 - noisy) * of_new and s.e.rows >= enough * len(b.targets[1]):
        return Evidence(STRONG, numbers, disagree)
    if not s.e.classifies and own > learnable:
        times, correlation = _slope(s)
        if correlation > related and not 1 / slope < times < slope:
            return Evidence(
                STRONG,
                numbers | {"slope": times},
                f"held-out targets are {times:.2g} times those of like training rows",
            )
    return None


@rule(
    "label_errors",
    "probe",
    reason="rows that are the same cannot have two labels",
    twins_differ=Limit(0.05, "of the rows: a few may differ by chance, or by what was not measured"),
)
def conflicting_labels(s: Subject, twins_differ: float) -> Evidence | None:
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
    if of_rows < twins_differ:
        return None
    return Evidence(
        POSSIBLE, {"fraction of rows": of_rows}, f"{percent(of_rows)} of the rows have a twin of another class"
    )


@rule(
    "no_shuffle",
    "program",
    meaning="the rows come in a meaningful order and are not shuffled",
    about="The rows come in a meaningful order, as sorted by label, and are taken in that order. Each batch then "
    "holds one class, and the network forgets the others until they come again.",
    alike="An imbalance of classes, where one class is always named, whatever the order of the rows.",
    reason="with labels in order a batch holds one class, and the last class seen wins",
    remedies=("shuffle the rows",),
    ordered=Limit(0.5, "of the way from chance to perfect order"),
    unordered=Limit(0.2, "1 less the correlation of a number with its index"),
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
    because = f"{percent(same)} of neighbouring rows have the same label"
    if not s.e.classifies:
        because = f"the targets follow the order of the rows with a correlation of {same:.2f}"
    return Evidence(CLEAR, {"neighbouring rows alike": same, "by chance": usual}, because)


@rule(
    "class_imbalance",
    "program",
    meaning="rare classes are ignored because they are few",
    about="A class is so rare that always naming the common one costs little. The accuracy is high; the recall of the "
    "rare class is near 0.",
    formula="weight of a class = N / (classes · rows of the class)",
    alike="A training that is too short names the common class first as well.",
    reason="a rare class can be ignored at the price of its fraction of the loss",
    remedies=("balanced class weights", "oversample rare classes"),
    rare=Limit(0.1, "of the commonest class: below, ignoring it costs less than a tenth"),
)
def class_imbalance(s: Subject, rare: float) -> Evidence | None:
    """Classes that are rare, with rows that all weigh alike."""
    if not s.e.classifies or s.e.labels is None or s.e.training.train.weights is not None:
        return None
    classes, counts = np.unique(s.e.labels, return_counts=True)
    rarest = float(counts.min() / counts.max())
    if rarest > rare:
        return None
    if s.e.steps and s.baselines.recalls(classes[counts <= rare * counts.max()]):
        return None  # trained, and not ignored
    because = f"the rarest class has {percent(rarest)} of the rows of the commonest"
    return Evidence(WEAK, {"rarest / commonest": rarest}, because)


def _judged(y: np.ndarray, y_new: np.ndarray) -> np.ndarray:
    """The classes with rows enough to be told by more than chance, and with held-out rows to see it on."""
    classes, counts = np.unique(y, return_counts=True)
    return np.intersect1d(classes[counts >= FEW_OF_CLASS], y_new)


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
    wanted = (y[:, None] == classes).astype(float)
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
    """Skill of the baselines on the held-out rows once their classes are renamed in the best way."""
    from scipy.optimize import linear_sum_assignment

    b = s.baselines
    decided, truth = b.named, b.targets[1]
    count = int(max(decided.max(), truth.max())) + 1
    table = np.zeros((count, count))
    np.add.at(table, (decided, truth), 1)
    _, names = linear_sum_assignment(-table)
    return b.skill(names[decided], truth)


def _slope(s: Subject) -> tuple[float, float]:
    """How many times the nearest training rows' targets the held-out targets are, and their correlation.

    Formula:
        β = Σ ĝ t / Σ ĝ², r = Σ ĝ t / √(Σ ĝ² Σ t²), over all outputs, each less its mean; ĝ the neighbours' mean
    """
    b = s.baselines
    guess, truth = (part - part.mean(0) for part in (b.named, b.targets[1]))
    both, own, other = (float((a * b).sum()) for a, b in ((guess, truth), (guess, guess), (truth, truth)))
    return both / max(own, 1e-12), both / max((own * other) ** 0.5, 1e-12)
