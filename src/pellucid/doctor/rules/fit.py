"""Causes in what the network can and does fit: too little, too much, one class and not the other."""

import numpy as np

from pellucid.doctor.findings import counted, percent
from pellucid.doctor.rule import (
    CLEAR,
    EVEN,
    FAINT,
    FAIR,
    LIKELY,
    OPEN,
    POSSIBLE,
    SPIKED,
    STRONG,
    WEAK,
    Evidence,
    Limit,
    above,
    below,
    between,
    rule,
)
from pellucid.doctor.signal import LEVEL
from pellucid.doctor.subject import Subject
from pellucid.layers import Dropout

CLOSES = Limit(0.9, "of the shortfall: the same layers and classes then do as well as the baselines, and suffice")
BEND = Limit(0.1, "of skill between a curved model and a line: less is the choice of the method")


@rule(
    "over_regularised",
    "training",
    meaning="dropout or a penalty so strong that the signal is lost",
    about="The penalty on the weights, or dropout, is so strong that the signal is lost: the weights are driven to 0, "
    "or hardly a unit is left in any step.",
    formula="L + λ₁ Σ|w| + λ₂ Σ w²",
    alike="Under-capacity and a rate that is too low: the training rows are not fitted.",
    reason="without the penalty, or the dropout, the training rows must be learnt better",
    remedies=("weaker penalty", "less dropout"),
    trials=("unpenalised", "undropped"),
    gain=Limit(0.1, "a penalty gains nothing by chance: it is the same seed"),
    dropped=Limit(0.7, "of the units: what is left of a layer is a third of it"),
    half=Limit(0.45, "of the units: a layer of the usual size can spare fewer"),
    unlearnt=Limit(0.2, "of the skill in training: dropout lowers it a little by design"),
    heavy=Limit(0.3, "times the loss: the penalty is a good part of what is minimised"),
    shrunk=Limit(4, "times smaller: weights that learn grow"),
    settles=Limit(0.5, "of skill: half of what there is to learn settles it"),
    shown=Limit(0.3, "of what the records could show: many trainings without this cause show less"),
)
def over_regularised(
    s: Subject,
    gain: float,
    dropped: float,
    half: float,
    unlearnt: float,
    heavy: float,
    shrunk: float,
    settles: float,
    shown: float,
) -> Evidence | None:
    """A penalty or dropout that drowns the loss."""
    e = s.e
    if s.baselines.healthy:
        return None
    layers = e.network.layers
    rates = [(layer.rate, i < e.maps[0]) for i, layer in enumerate(layers) if isinstance(layer, Dropout)]
    rate, of_inputs = max(rates, default=(0.0, False))
    if rate and e.skill_train < (1 - unlearnt) * s.baselines.best:
        numbers = {"dropout": rate, "skill in training": e.skill_train}
        because = f"{rate:.0%} of the {'inputs' if of_inputs else 'units'} are dropped"
        asked = rate >= half or any(first for _, first in rates)
        won = s.gain("undropped") if asked and rate < dropped else None
        if rate >= dropped:
            return Evidence(LIKELY, numbers, because)
        if won is not None and won >= gain:
            numbers["gain without"] = won
            return Evidence(
                between(FAIR, CLEAR, won / settles), numbers, f"{because}; without the skill gains {won:.2f}"
            )
    l1, l2 = e.penalties
    if not l1 and not l2:
        return None
    numbers = {"l1": l1, "l2": l2, "penalty / loss at the end": e.penalty_by_loss}
    won = s.gain("unpenalised")
    if won is None:
        drowned = max(above(e.penalty_by_loss, heavy, 2), above(1 / max(e.shrinkage, 1e-9), shrunk))
        because = (
            f"the penalty is {e.penalty_by_loss:.2g} times the loss, the weights {e.shrinkage:.2g} of what they were"
        )
        return Evidence(between(FAINT, LIKELY, drowned), numbers, because) if drowned > shown else None
    if won < gain:
        return None
    numbers["gain without"] = won
    return Evidence(between(LIKELY, CLEAR, won / settles), numbers, f"without the penalty the skill gains {won:.2f}")


@rule(
    "overfitting",
    "training",
    meaning="fits the training rows beyond what holds on new rows",
    about="The network fits the training rows beyond what holds on new ones. The training loss goes on falling while "
    "that of the held-out rows rises.",
    alike="Different preparation of the two parts, leaking columns and wrong labels widen the same gap.",
    reason="held-out rows must get worse while training rows get better",
    remedies=("fewer epochs", "L2 penalty", "dropout", "fewer units"),
    learnt=Limit(0.7, "skill in training: a model that underfits cannot overfit"),
    rise=Limit(1.5, "times its least: a held-out loss wavers by less"),
    late=Limit(0.3, "of the epochs came after the least: a rise at the very end is noise"),
    gap=Limit(0.1, "of skill between training and held-out rows: any network does a little better on its own"),
    steep=Limit(2.7, "times its least: such a rise speaks for itself"),
    wide=Limit(0.28, "of skill: as wide a gap speaks for itself"),
    some=Limit(0.02, "of skill: a rise of the loss alone may be of sure mistakes"),
    spiked=SPIKED,
)
def overfitting(
    s: Subject,
    learnt: float,
    rise: float,
    late: float,
    gap: float,
    steep: float,
    wide: float,
    some: float,
    spiked: float,
) -> Evidence | None:
    """Training rows learnt, held-out rows not; or a held-out loss that rises."""
    e = s.e
    table = e.run.history.epochs
    if "held_out_loss" not in table or len(table["epoch"]) < 3 or e.diverged:
        return None
    held = np.asarray(table["held_out_loss"])
    if not np.isfinite(held).all():
        return None
    rose = float(held[-1] / max(held.min(), 1e-9))
    if (rose <= rise and held[-1] <= rise * e.losses[-1]) or e.skill_train < learnt:
        return None
    after = float(1 - held.argmin() / len(held))
    apart = e.skill_train - e.skill_new
    numbers = {"last held-out loss / least": rose, "epochs after the least": after, "skill gap": apart}
    if rose > rise and after > late and (apart > gap or (rose > steep and apart > some)):
        grade = (above(rose, steep) + above(apart, wide)) / 2
        strength = between(EVEN, LIKELY, grade)
        if not s.baselines.healthy:  # a training whose loss spiked has not fitted
            strength = between(between(OPEN, STRONG, grade), EVEN, above(e.worst_jump, spiked))
        because = f"the held-out loss rose to {rose:.2g} times its least while the training loss fell"
        return Evidence(strength, numbers, because)
    if apart > wide:
        because = f"the skill on training rows is {e.skill_train:.2f}, on held-out rows {e.skill_new:.2f}"
        return Evidence(EVEN, numbers, because)
    return None


@rule(
    "class_imbalance",
    "training",
    reason="a class that is ignored for its rarity is found far less often than the common ones",
    rare=Limit(0.5, "of the commonest class, where there are two"),
    rare_of_many=Limit(0.34, "of the commonest class, where there are more: sizes differ by themselves"),
    missed=Limit(0.2, "of recall below the common classes'"),
    found=Limit(0.7, "of recall of the common classes: the network has learnt something, but not the rare ones"),
    lost=Limit(0.5, "of recall of the common classes: the network has learnt next to nothing"),
    mild=Limit(0.3, "of the commonest class: so many rows are not ignored for their number alone"),
    closes=CLOSES,
)
def class_imbalance(
    s: Subject, rare: float, rare_of_many: float, missed: float, found: float, lost: float, mild: float, closes: float
) -> Evidence | None:
    """Rare classes that are found far less often than common ones."""
    e = s.e
    if not e.classifies or e.labels is None or e.labels_new is None or e.training.train.weights is not None:
        return None
    values, counts = np.unique(e.labels, return_counts=True)
    if len(values) < 2 or e.prediction_new is None:
        return None
    few = values[counts < (rare if len(values) == 2 else rare_of_many) * counts.max()]
    decided, truth = e.decide(e.prediction_new), e.labels_new
    recall = {value: float((decided[truth == value] == value).mean()) for value in np.intersect1d(values, truth)}
    if not len(few):
        return None
    of_rare = float(np.mean([recall[value] for value in few if value in recall] or [1.0]))
    of_common = float(np.mean([recall[value] for value in recall if value not in few] or [0.0]))
    fraction = float(counts.min() / counts.max())
    if of_rare > of_common - missed or s.baselines.recalls(few):
        return None
    strength = between(OPEN, STRONG, above(of_common, found, 16) * (1 - of_rare))
    strength = between(strength, POSSIBLE, below(of_common, lost, 16))
    strength = between(strength, min(strength, OPEN), above(fraction, mild))
    if s.closed > closes:
        strength = min(strength, WEAK)
    numbers = {"rarest / commonest": fraction, "recall of rare classes": of_rare, "of common classes": of_common}
    because = f"the recall of rare classes is {percent(of_rare)}, that of common ones {percent(of_common)}"
    return Evidence(strength, numbers, because)


@rule(
    "missing_hidden_activation",
    "training",
    meaning="the hidden layers are linear, so the network is a linear model",
    about="Without an activation between them, layers multiply to a single linear map: the network can do what a "
    "linear model can, and no more.",
    formula="W₂ (W₁ x + b₁) + b₂ = (W₂ W₁) x + (W₂ b₁ + b₂)",
    alike="Under-capacity: more units do not help here.",
    reason="a chain of linear layers is one linear layer",
    remedies=("relu in the hidden layers",),
    bend=BEND,
)
def missing_hidden_activation(s: Subject, bend: float) -> Evidence | None:
    """Hidden layers without an activation on a task that a line does not solve."""
    e = s.e
    if not e.linear or len(e.maps) < 2 or s.baselines.healthy:
        return None
    curved, linear = (s.baselines.curved[1], s.baselines.linear[1]) if s.baselines.possible else (0.0, 0.0)
    numbers = {"curved model": curved, "linear model": linear}
    return Evidence(STRONG if curved - linear > bend else FAIR, numbers, "the hidden layers have no activation")


@rule(
    "not_linearly_separable",
    "training",
    meaning="a linear model on data that no line separates",
    about="A model without a hidden layer divides the inputs by a plane. Where no plane separates the classes, as in "
    "exclusive or, the perceptron's rule never comes to rest.",
    formula="sign(wᵀx + b)",
    alike="A rate that is too high, since the loss jumps about for ever.",
    reason="where a curved model learns the training rows and no line does",
    remedies=("a hidden layer", "averaged perceptron"),
    bend=BEND,
    closes=CLOSES,
    mistaken=Limit(0.01, "of skill: a line that separates the classes learns the training rows wholly"),
)
def not_linearly_separable(s: Subject, bend: float, closes: float, mistaken: float) -> Evidence | None:
    """One layer on classes that no line separates."""
    e = s.e
    if len(e.maps) != 1 or not (e.decides_hard or (e.linear and e.classifies and not s.baselines.healthy)):
        return None
    curved, linear = s.baselines.curved[0], s.baselines.line
    if e.decides_hard:
        if 1 - linear < mistaken:
            return None
        because = "no line separates the classes, and the perceptron's rule never settles"
        # From weights of 0 its decisions do not depend on the rate: of the trials, scaled inputs alone tell against it.
        scaled = (s.gain("standardised") or 0.0) / max(s.baselines.shortfall, 1e-9)
        nearly = linear > closes  # of a line that all but separates them it may not be the classes
        strength = (LIKELY if nearly else STRONG) if scaled < closes else POSSIBLE if nearly else EVEN
        return Evidence(strength, {"linear model": linear}, because)
    if curved - linear < bend:
        return None
    numbers = {"curved model": curved, "linear model": linear}
    return Evidence(STRONG, numbers, f"a line reaches {linear:.2f}, a curve {curved:.2f}")


@rule(
    "under_capacity",
    "training",
    meaning="too few units or layers",
    about="The network has too few units or layers for the task: it fits not even the training rows.",
    alike="Too few epochs or a rate that is too low: there the loss still falls. A strong penalty or much dropout.",
    reason="where a baseline learns the training rows and the network, having come to rest, does not",
    remedies=("more units", "more layers"),
    short=Limit(0.1, "of skill in training"),
    bend=BEND,
    closes=CLOSES,
    narrow=Limit(3.5, "units: fewer than four cannot hold apart what most tasks ask for"),
    bottleneck=Limit(5, "units, fewer than the outputs: the classes have to share directions"),
    usual=Limit(10, "units: networks for most small tasks have more"),
)
def under_capacity(
    s: Subject, short: float, bend: float, closes: float, narrow: float, bottleneck: float, usual: float
) -> Evidence | None:
    """Too few units for what there is to learn."""
    e = s.e
    if s.baselines.healthy or e.diverged or not s.baselines.possible:
        return None
    hidden = [e.weights(i)[0].shape[-1] for i in e.maps[:-1]]
    reach = s.baselines.curved[0]
    if reach - e.skill_train < short:
        return None
    numbers = {"units": hidden, "skill in training": e.skill_train, "best baseline": reach}
    because = f"the skill on training rows is {e.skill_train:.2f}, where {reach:.2f} is possible"
    if not hidden and e.linear:
        if s.baselines.curved[0] - s.baselines.linear[0] < bend:
            return None
        return Evidence(FAIR, numbers, f"the network is linear; {because}")
    least = min(hidden, default=99)
    if s.closed > closes:
        return None
    if least < narrow or (least < bottleneck and least < e.outputs):
        return Evidence(LIKELY, numbers, f"a hidden layer has {counted(least, 'unit')}; {because}")
    rested = all(s.refuted(cure) for cure in ("slower", "faster", "longer"))
    return Evidence(between(FAINT, EVEN, (below(least, usual) + rested) / 2), numbers, because)


@rule(
    "no_signal",
    "training",
    meaning="the inputs tell nothing of the targets: no method does better than guessing",
    about="The inputs tell nothing of the targets: labels that were shuffled or joined to the wrong rows, or inputs "
    "that have nothing to do with what is asked. A network can learn such training rows by heart, but on new rows it "
    "guesses. Each test deals the targets out anew to the same rows some hundred times: what a method reaches on the "
    "true targets has to beat what it reaches on those. The network, nearest neighbours, kernel ridge regression, a "
    "linear model and each single column are tested, on held-out rows and on training rows that each is predicted "
    "from the others.",
    formula="p = (1 + number of permutations that do as well as the true targets) / (1 + number of permutations); "
    "above 0.01, of four tests together, there is no signal",
    alike="Overfitting, where training rows are learnt and held-out rows are not, but some method does better than "
    "guessing; a network that learns nothing while baselines do; a signal too weak for so few rows.",
    reason="what no method does better on the true targets than on targets dealt out at random is not there to be "
    "learnt",
    remedies=("give each row its own label", "other inputs", "more rows"),
    level=LEVEL,
    few=Limit(100, "rows: fewer show only a strong signal"),
    by_heart=Limit(0.3, "of skill in training: what is learnt there and nowhere else is noise"),
)
def no_signal(s: Subject, level: float, few: float, by_heart: float) -> Evidence | None:
    """Neither the network nor a baseline does better than guessing on rows that it has not learnt."""
    signal, e = s.baselines.signal, s.e
    if signal.p <= level:
        return None
    rows, new = e.rows, e.training.monitor.rows
    because = (
        "no method finds a signal in these rows: on rows not learnt from, neither the network nor baselines "
        "(nearest neighbours, kernel ridge regression, a linear model) do better than guessing (permutation test, "
        f"p = {signal.p:.2g}; {rows} training rows, {new} held-out rows)"
    )
    if not e.diverged and e.skill_train > by_heart:
        because += "; what the network learnt of its training rows is noise"
    if rows < few:
        because += "; so few rows show only a strong signal"
    numbers = {"p": signal.p, "skill of the network": e.skill_new, "training rows": rows, "held-out rows": new}
    return Evidence(CLEAR * above(signal.p, level, 2), numbers, because, holds_back=False)
