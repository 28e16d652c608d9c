"""Causes in what the network can and does fit: too little, too much, one class and not the other."""

import numpy as np

from pellucid.doctor.findings import percent, sample_mask
from pellucid.doctor.limits import THROWN, Limit, above, below
from pellucid.doctor.records import worst_jump
from pellucid.doctor.rule import Evidence, Rule, Subject, table_of
from pellucid.layers import Dropout

FIT: list[Rule] = []
"""Rules that hold the network against plain methods, and the training rows against the held-out ones."""
rule = table_of(FIT)

CLOSES = Limit(0.9, "of the shortfall: the same layers and classes then do as well as the plain methods, and suffice")
BEND = Limit(0.1, "of skill between a curved model and a line: less is the choice of the method")


@rule(
    "over_regularised",
    "without the penalty, or the dropout, the training rows must be learnt better",
    gain=Limit(0.1, "a penalty gains nothing by chance: it is the same seed"),
    dropped=Limit(0.7, "of the units: what is left of a layer is a third of it"),
    half=Limit(0.45, "of the units: a layer of the usual size can spare fewer"),
    unlearnt=Limit(0.2, "of the skill in training: dropout lowers it a little by design"),
    heavy=Limit(0.3, "times the loss: the penalty is a good part of what is made small"),
    shrunk=Limit(4, "times smaller: weights that learn grow"),
)
def over_regularised(
    s: Subject, gain: float, dropped: float, half: float, unlearnt: float, heavy: float, shrunk: float
) -> Evidence | None:
    """A penalty or dropout that drowns the loss."""
    e = s.e
    if s.reference.healthy:
        return None
    layers = e.network.layers
    rates = [(layer.rate, i < e.maps[0]) for i, layer in enumerate(layers) if isinstance(layer, Dropout)]
    rate, of_inputs = max(rates, default=(0.0, False))
    if rate and e.skill_train < (1 - unlearnt) * s.reference.best:
        numbers = {"dropout": rate, "skill in training": e.skill_train}
        said = f"{rate:.0%} of the {'inputs' if of_inputs else 'units'} are dropped"
        asked = rate >= half or any(first for _, first in rates)
        won = s.gain("undropped") if asked and rate < dropped else None
        if rate >= dropped:
            return Evidence(0.85, numbers, said)
        if won is not None and won >= gain:
            numbers["gain without"] = won
            return Evidence(0.7 + 0.25 * min(won * 2, 1), numbers, f"{said}; without the skill gains {won:.2f}")
    l1, l2 = e.penalties
    if not l1 and not l2:
        return None
    numbers = {"l1": l1, "l2": l2, "penalty / loss at the end": e.penalty_share}
    won = s.gain("unpenalised")
    if won is None:
        drowned = max(above(e.penalty_share, heavy, 2), above(1 / max(e.shrinkage, 1e-9), shrunk))
        said = f"the penalty is {e.penalty_share:.2g} times the loss, the weights {e.shrinkage:.2g} of what they were"
        return Evidence(0.2 + 0.65 * drowned, numbers, said) if drowned > 0.3 else None
    if won < gain:
        return None
    return Evidence(
        0.8 + 0.17 * min(won * 2, 1), numbers | {"gain without": won}, f"without the penalty the skill gains {won:.2f}"
    )


@rule(
    "overfitting",
    "held-out rows must get worse while training rows get better",
    learnt=Limit(0.7, "skill in training: what is not learnt is not learnt too well"),
    rise=Limit(1.5, "times its least: a held-out loss wavers by less"),
    late=Limit(0.3, "of the epochs came after the least: a rise at the very end is noise"),
    gap=Limit(0.1, "of skill between training and held-out rows: any network does a little better on its own"),
    steep=Limit(2.7, "times its least: such a rise speaks for itself"),
    wide=Limit(0.28, "of skill: as wide a gap speaks for itself"),
    thrown=THROWN,
)
def overfitting(
    s: Subject, learnt: float, rise: float, late: float, gap: float, steep: float, wide: float, thrown: float
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
    if rose > rise and after > late and (apart > gap or (rose > steep and apart > 0.02)):
        sure = 0.55 + 0.15 * above(rose, steep) + 0.15 * above(apart, wide)
        if not s.reference.healthy:  # a training that was thrown about has not fitted
            sure += 0.1 - 0.25 * above(worst_jump(e), thrown)
        said = f"the held-out loss rose to {rose:.2g} times its least while the training loss fell"
        return Evidence(sure, numbers, said)
    if apart > wide:
        said = f"the skill on training rows is {e.skill_train:.2f}, on held-out rows {e.skill_new:.2f}"
        return Evidence(0.5, numbers, said)
    return None


@rule(
    "class_imbalance",
    "a class that is ignored because of its share is found far less often than the common ones",
    rare=Limit(0.5, "of the commonest class, where there are two"),
    rare_of_many=Limit(0.34, "of the commonest class, where there are more: sizes differ by themselves"),
    missed=Limit(0.2, "of recall below the common classes'"),
    closes=CLOSES,
)
def class_imbalance(s: Subject, rare: float, rare_of_many: float, missed: float, closes: float) -> Evidence | None:
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
    share = float(counts.min() / counts.max())
    if of_rare > of_common - missed or s.reference.recalls(few):
        return None
    odds = 0.6 + 0.3 * above(of_common, 0.7, 16) * (1 - of_rare)
    odds -= 0.2 * below(of_common, 0.5, 16) + 0.2 * above(share, 0.3) + 0.3 * (s.closed > closes)
    return Evidence(
        odds,
        {"rarest / commonest": share, "recall of rare classes": of_rare, "of common classes": of_common},
        f"the recall of rare classes is {percent(of_rare)}, that of common ones {percent(of_common)}",
    )


@rule("missing_hidden_activation", "a chain of linear layers is one linear layer", bend=BEND)
def missing_hidden_activation(s: Subject, bend: float) -> Evidence | None:
    """Hidden layers without an activation on a task that a line does not solve."""
    e = s.e
    if not e.linear or len(e.maps) < 2 or s.reference.healthy:
        return None
    curved, linear = (s.reference.curved[1], s.reference.linear[1]) if s.reference.possible else (0.0, 0.0)
    numbers = {"curved model": curved, "linear model": linear}
    return Evidence(0.93 if curved - linear > bend else 0.7, numbers, "the hidden layers have no activation")


@rule(
    "not_linearly_separable",
    "where a curved model learns the training rows and no line does",
    bend=BEND,
    closes=CLOSES,
    mistaken=Limit(0.01, "of skill: a line that separates the classes learns the training rows wholly"),
)
def not_linearly_separable(s: Subject, bend: float, closes: float, mistaken: float) -> Evidence | None:
    """One layer on classes that no line separates."""
    e = s.e
    perceptron = e.loss.name == "perceptron"
    if len(e.maps) != 1 or not (perceptron or (e.linear and e.classifies and not s.reference.healthy)):
        return None
    curved, linear = s.reference.curved[0], s.reference.line
    if perceptron:
        if 1 - linear < mistaken:
            return None
        said = "no line separates the classes, and the perceptron's rule never settles"
        # From weights of 0 its decisions do not depend on the rate: of the trials, scaled inputs alone tell against it.
        scaled = (s.gain("standardised") or 0.0) / max(s.reference.shortfall, 1e-9)
        sure = 0.95 if scaled < closes else 0.5
        sure -= 0.1 * (linear > closes)  # of a line that all but separates them it may not be the classes
        return Evidence(sure, {"linear model": linear}, said)
    if curved - linear < bend:
        return None
    numbers = {"curved model": curved, "linear model": linear}
    return Evidence(0.92, numbers, f"a line reaches {linear:.2f}, a curve {curved:.2f}")


@rule(
    "under_capacity",
    "where a plain method learns the training rows and the network, having come to rest, does not",
    short=Limit(0.1, "of skill in training"),
    bend=BEND,
    closes=CLOSES,
    narrow=Limit(3.5, "units: fewer than four cannot hold apart what most tasks ask for"),
    bottleneck=Limit(5, "units, fewer than the outputs: the classes have to share directions"),
)
def under_capacity(
    s: Subject, short: float, bend: float, closes: float, narrow: float, bottleneck: float
) -> Evidence | None:
    """Too few units for what there is to learn."""
    e = s.e
    if s.reference.healthy or e.diverged or not s.reference.possible:
        return None
    hidden = [e.weights(i)[0].shape[-1] for i in e.maps[:-1]]
    reach = s.reference.curved[0]
    if reach - e.skill_train < short:
        return None
    numbers = {"units": hidden, "skill in training": e.skill_train, "plain method": reach}
    said = f"the skill on training rows is {e.skill_train:.2f}, where {reach:.2f} is possible"
    if not hidden and e.linear:
        if s.reference.curved[0] - s.reference.linear[0] < bend:
            return None
        return Evidence(0.75, numbers, f"the network is linear; {said}")
    least = min(hidden, default=99)
    if s.closed > closes:
        return None
    if least < narrow or (least < bottleneck and least < e.outputs):
        return Evidence(0.82, numbers, f"a hidden layer has {sample_mask(least, 'unit')}; {said}")
    rested = all(s.refuted(cure) for cure in ("slower", "faster", "longer"))
    return Evidence(0.2 + 0.15 * below(least, 10) + 0.2 * rested, numbers, said)
