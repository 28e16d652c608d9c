"""Causes in how a training steps: the rate, the epochs, the batch, the size of inputs and targets.

A trial decides where one may be made: the cause is named where its removal alone brings the network on. Without
trials the records give a lower probability, and several causes fit.
"""

import numpy as np

from pellucid.doctor.findings import counted
from pellucid.doctor.rule import (
    CLEAR,
    EVEN,
    FAINT,
    FAIR,
    HELPS,
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
from pellucid.doctor.rules.inputs import LARGE_TARGETS
from pellucid.doctor.rules.network import init_ratio, without_biases
from pellucid.doctor.subject import LIVES, Subject
from pellucid.doctor.trials import USUAL_BATCH
from pellucid.network import token_layer

SHOWN = Limit(0.4, "of what the records could show: many trainings without this cause show less")
AS_GOOD = Limit(0.9, "of what another trial gains: as much, but for what a seed is worth")
SMALL_STEP = Limit(3e-4, "of the weights: a thousand such steps move them by a third of their size at most")


@rule(
    "learning_rate_too_high",
    "training",
    meaning="the step is too large for this loss: it jumps, diverges or parks at a bad value",
    about="A step goes against the gradient, which tells the way only near by. Along a direction of curvature λ a "
    "step of gradient descent multiplies the distance from the minimum by 1 − ηλ, so that above 2/λ each step leads "
    "further away. Before it diverges the loss oscillates, or the first steps throw the units to where their gradient "
    "is 0 and the network stays there.",
    formula="w ← w − η ∇L converges along a direction of curvature λ only where 0 < η < 2 / λ",
    alike="Unscaled inputs raise the curvature and summed losses raise the gradient: both ask for a smaller rate too, "
    "but the cause is another. Dead units and saturation are often what a rate that is too high leaves behind.",
    reason="a smaller step alone must help: that is what the name means",
    remedies=("smaller learning rate", "gradient clipping", "adam"),
    trials=("slower",),
    gain=HELPS,
    step=Limit(0.03, "of the weights: thirty such steps replace them; a hundredth or less is usual"),
    rise=SPIKED,
    up=Limit(0.3, "of the later epochs: a rate that fits sends few of them up"),
    shown=SHOWN,
)
def learning_rate_too_high(
    s: Subject, gain: float, step: float, rise: float, up: float, shown: float
) -> Evidence | None:
    """A tenth or a hundredth of the rate learns what this rate did not."""
    e = s.e
    if s.baselines.healthy and not e.diverged:
        return None
    update, unsteady = e.update_ratio, e.oscillation
    numbers = {
        "last loss / least": e.jump,
        "greatest loss / first": e.worst_jump,
        "median update / weights": update,
        "fraction of epochs that went up": unsteady,
    }
    because = (
        f"the loss became NaN or infinite{e.not_finite}" if e.diverged else f"the loss ended at {e.losses[-1]:.3g}"
    )
    won = s.gain("slower")
    if won is None:
        wild = max(above(update, step), above(e.worst_jump, rise), EVEN * above(unsteady, up))
        return Evidence(between(FAINT, OPEN, wild), numbers, because) if wild > shown else None
    if won < gain:
        return None
    numbers["gain of a smaller rate"] = won
    return Evidence(between(OPEN, STRONG, won), numbers, f"{because}; a smaller rate gains {won:.2f} of skill")


@rule(
    "learning_rate_too_low",
    "training",
    meaning="the step is too small: the loss is still falling at the end",
    about="Each step is so small that the epochs end long before the loss has stopped falling. The network is fine; "
    "it has hardly moved.",
    formula="‖Δw‖ / ‖w‖ far below 10⁻³ a step",
    alike="Too few epochs look the same in the loss: what tells them apart is how much a step changes the weights. "
    "Weights that begin too small, inputs scaled down too far and vanishing gradients also make the steps small.",
    reason="a larger step alone must help: that is what the name means",
    remedies=("larger learning rate", "adam"),
    trials=("faster",),
    gain=HELPS,
    small=SMALL_STEP,
    spiked=SPIKED,
    as_good=AS_GOOD,
    shown=SHOWN,
)
def learning_rate_too_low(
    s: Subject, gain: float, small: float, spiked: float, as_good: float, shown: float
) -> Evidence | None:
    """A larger rate learns what this rate did not."""
    e = s.e
    if not s.suspect or e.diverged or e.rate <= 0:
        return None
    update = e.update_ratio
    numbers = {"median update / weights": update, "fall in the last fifth": e.falling}
    because = f"an update moves the weights by {update:.1g} of their size"
    if np.isnan(update):
        because = f"the loss ended at {e.losses[-1]:.3g}"  # the size of updates was not recorded
    won = s.gain("faster")
    if won is None:
        # Where nothing moves, or not any more, units are dead or flat.
        little = below(update, small, 2) if update > 0 and e.worst_jump < spiked else 0.0
        return Evidence(between(FAINT, OPEN, little), numbers, because) if little > shown else None
    if won < (s.worth if s.slow else gain):
        return None
    strength = between(EVEN, STRONG, (won + below(update, small)) / 2)
    if (s.gain("longer") or 0.0) > as_good * won:  # the step is one of the usual size, so it is their number that lacks
        strength = between(strength, min(strength, OPEN), above(update, small))
    numbers["gain of a larger rate"] = won
    return Evidence(_limited(s, strength, won), numbers, f"{because}; a larger rate gains {won:.2f} of skill")


@rule(
    "too_few_epochs",
    "training",
    meaning="training stops while the loss is still falling",
    about="The training ends while the loss still falls steadily. Nothing else is wrong.",
    alike="A rate that is too low needs more epochs too; where a tenfold rate learns as well in the given time, the "
    "rate is the likelier cause.",
    reason="more epochs alone must help, and the loss must still be falling",
    remedies=("more epochs", "larger learning rate"),
    trials=("longer",),
    gain=HELPS,
    few=Limit(2.5, "epochs: hardly any network has learnt after two"),
    step=Limit(1e-3, "of the weights: the step is a fair one, so it is the number that lacks"),
    steps=Limit(200, "updates: fewer than most rules need to settle"),
    fall=Limit(0.1, "of the fall in the last fifth: a training that is done falls less"),
    shown=SHOWN,
)
def too_few_epochs(
    s: Subject, gain: float, few: float, step: float, steps: float, fall: float, shown: float
) -> Evidence | None:
    """More epochs learn what these did not."""
    e = s.e
    if not s.suspect or e.diverged:
        return None
    update, last = e.update_ratio, e.falling
    short = max(below(e.run.experiment.epochs, few, 8), above(update, step) * below(e.steps, steps))
    numbers = {"updates": e.steps, "fall in the last fifth": last}
    won = s.gain("longer")
    if won is None:
        still = max(above(last, fall, 2), float(np.isnan(last))) * above(update, step / 3, 2)
        because = f"after {counted(e.steps, 'update')} the loss was still falling"
        return Evidence(between(FAINT, OPEN, (still + short) / 2), numbers, because) if still > shown else None
    numbers["gain of more epochs"] = won
    times = f"{s.trials.times:.0f} times as many gain"
    because = f"after {counted(e.steps, 'update')} the loss was still falling; {times} {won:.2f} of skill"
    gain = s.worth if s.slow else gain
    if won >= gain:
        strength = between(between(EVEN, FAIR, won), LIKELY, short)
        return Evidence(_limited(s, strength, won), numbers, because)
    if won > gain / 2 and last > fall:
        return Evidence(FAINT, numbers, because)
    # Of a handful of updates that is no refutation: the step is small besides.
    because = f"there were only {counted(e.steps, 'update')}; at this rate even {times} little skill ({won:.2f})"
    handful = POSSIBLE * below(e.steps, steps / 4)
    return Evidence(handful, numbers, because) if handful > WEAK else None


@rule(
    "batch_too_large",
    "training",
    meaning="too few updates are made",
    about="A batch of B rows makes N/B steps an epoch. With a batch near the whole table there are only as many steps "
    "as epochs, too few to arrive.",
    formula="steps = epochs · ⌈N / B⌉",
    alike="Too few epochs and a rate that is too low: all three leave the loss falling at the end.",
    reason="an epoch of one or two updates learns as much as one or two updates",
    remedies=("smaller batch", "more epochs", "larger learning rate"),
    trials=("smaller_batch",),
    gain=HELPS,
    per_epoch=Limit(8, "updates an epoch: the batch holds an eighth of the rows or more"),
    few_updates=Limit(4, "updates an epoch: the batch holds a quarter of the rows or more"),
    epochs=Limit(8, "epochs: of fewer, it is the epochs that lack"),
    steps=Limit(400, "updates in all: of more, it is not their number that lacks"),
)
def batch_too_large(
    s: Subject, gain: float, per_epoch: float, few_updates: float, epochs: float, steps: float
) -> Evidence | None:
    """Few updates because a batch takes many of the rows."""
    e = s.e
    each = e.steps / max(len(e.losses), 1)
    large = e.run.program.batch_size >= 2 * USUAL_BATCH
    if not (s.suspect and large) or e.diverged or e.steps > steps or each > per_epoch:
        return None
    numbers = {"updates an epoch": each, "updates": e.steps}
    because = f"batches of {e.run.program.batch_size} rows leave {counted(e.steps, 'update')} in all"
    few = each <= few_updates and e.run.experiment.epochs >= epochs
    if not s.with_trials:
        return Evidence(between(WEAK, OPEN, below(each, few_updates)), numbers, because) if few else None
    won = s.gain("smaller_batch") or 0.0
    if won < (s.worth if s.slow else gain):
        return None
    numbers["gain of a smaller batch"] = won
    because += f"; {USUAL_BATCH} rows a batch gain {won:.2f} of skill"
    return Evidence(_limited(s, STRONG if few else between(EVEN, LIKELY, won), won), numbers, because)


@rule(
    "batch_too_small",
    "training",
    meaning="updates from one or a few rows are too noisy for the step",
    about="The gradient of one or a few rows points away from that of all rows by chance. The noise of the mean falls "
    "with the square root of the batch, so tiny batches with a large rate keep the weights jumping about the minimum.",
    formula="standard deviation of the batch's gradient ∝ 1 / √B",
    alike="A smaller learning rate quiets the noise as well; a rate that is too high jumps with large batches too.",
    reason="one row's gradient is noise of the size of the gradient or more",
    remedies=("larger batch", "smaller learning rate"),
    trials=("larger_batch",),
    gain=HELPS,
    rows=Limit(4, "rows: the mean of five halves the noise at least"),
    several=Limit(100, "rows: of fewer a batch of some is most of them"),
    as_good=AS_GOOD,
)
def batch_too_small(s: Subject, gain: float, rows: float, several: float, as_good: float) -> Evidence | None:
    """One or a few rows a step, and a smaller step helps."""
    e = s.e
    size = e.run.program.batch_size
    by_rows = e.decides_hard  # the perceptron takes one row at a time
    if (not s.suspect and not e.diverged) or size > rows or e.rows < several or by_rows:
        return None
    because = f"each update is made from {size} rows" if size > 1 else "each update is made from one row"
    if s.slow:  # it learns: how far its noise holds it back a larger batch tells
        won = s.gain("larger_batch") or 0.0
        return Evidence(max(WEAK, _limited(s, OPEN, won)), {"batch": size, "gain of a larger batch": won}, because)
    won = s.gain("slower")
    if won is None:
        return Evidence(WEAK, {"batch": size}, because)
    if won < gain:
        return None
    larger = s.gain("larger_batch") or 0.0
    numbers = {"batch": size, "gain of a smaller rate": won, "gain of a larger batch": larger}
    if larger < gain:
        return Evidence(EVEN, numbers, because)
    because += f"; {USUAL_BATCH} rows a batch gain {larger:.2f} of skill"
    return Evidence(STRONG if larger > as_good * won else LIKELY, numbers, because)


def _limited(s: Subject, strength: float, won: float) -> float:
    """The strength of a cause of which a trial has this gain: less where the network does well as it is."""
    return min(strength, between(FAINT, OPEN, won / max(1 - s.e.skill_new, 1e-9))) if s.slow else strength


@rule(
    "weak_optimizer",
    "training",
    meaning="another optimiser learns in the same time",
    about="The optimiser, as it is set, is the reason for slow progress: plain gradient descent in a long narrow "
    "valley, or one whose steps shrink over time. Another one learns in the same number of steps.",
    alike="A larger rate may do as well: then the rate is the cause.",
    reason="a rule whose steps shrink or are too short for every rate",
    remedies=("adam", "momentum"),
    gain=HELPS,
)
def weak_optimizer(s: Subject, gain: float) -> Evidence | None:
    """Plain descent where even a larger rate does not do."""
    e = s.e
    name = getattr(e.training.optimizer, "name", "")
    if s.baselines.healthy or e.diverged or name not in ("sgd", "adagrad", "adadelta", "gradient_descent"):
        return None
    faster, longer = s.gain("faster"), s.gain("longer")
    if faster is None or longer is None:
        return Evidence(FAINT, {}, f"{name} is slow on most tasks")
    won = max(faster, longer)
    return Evidence(POSSIBLE, {"gain of a larger rate": won}, f"{name} is slow here") if won > gain else None


@rule(
    "inputs_not_scaled",
    "training",
    reason="standardising alone must help",
    gain=HELPS,
    size=Limit(2, "standardised inputs have 1, and at twice that little changes"),
    large=Limit(
        20, "a first layer's gradients are twenty times those of the others; below, a smaller rate is as likely"
    ),
    offset=Limit(1, "spreads that the mean lies off 0: without biases it is the offset that standardising takes away"),
    lives=LIVES,
)
def inputs_not_scaled(
    s: Subject, gain: float, size: float, large: float, offset: float, lives: float
) -> Evidence | None:
    """Standardised inputs learn what these did not."""
    e = s.e
    if s.baselines.healthy or token_layer(e.network) or not np.isfinite(e.x).all():
        return None
    found = float(np.sqrt((e.x.astype(np.float64) ** 2).mean()))
    won = s.gain("standardised") if found >= size else None
    if won is None:
        return None
    because = f"the inputs have a root mean square of {found:.3g}; standardised they"
    if won < gain:
        with_more = max(s.gain("standardised_slower") or 0.0, s.of_both)
        if with_more >= gain:
            numbers = {"root mean square": found, "gain with a smaller rate or scaled targets": with_more}
            strength = between(EVEN, STRONG, (with_more + above(found, large)) / 2)
            return Evidence(
                strength, numbers, f"{because} gain {with_more:.2f} of skill, with a smaller rate or scaled targets"
            )
        if s.revived > lives:
            return Evidence(
                OPEN, {"root mean square": found, "brought to life": s.revived}, f"{because} bring dead units to life"
            )
        return None
    x = s.e.finite
    off = float(np.median(np.abs(x.mean(0)) / np.maximum(x.std(0), 1e-12))) if without_biases(s) else 0.0
    strength = between(EVEN, STRONG, (won + above(found, large)) / 2)
    return Evidence(
        between(strength, min(strength, OPEN), above(off, offset)),
        {"root mean square": found, "gain of standardised inputs": won},
        f"{because} gain {won:.2f} of skill",
    )


@rule(
    "targets_not_scaled",
    "training",
    reason="standardising the targets alone must help",
    gain=HELPS,
    large=LARGE_TARGETS,
)
def targets_not_scaled(s: Subject, gain: float, large: float) -> Evidence | None:
    """Standardised targets learn what these did not."""
    e = s.e
    if s.baselines.healthy or e.task != "regression":
        return None
    size = float(np.sqrt((e.y.astype(np.float64) ** 2).mean()))
    won = s.gain("scaled_targets") if size >= large else None
    if won is None:
        return None
    numbers = {"root mean square": size, "gain of standardised targets": won}
    because = f"the targets have a root mean square of {size:.3g}; standardised they gain"
    if won >= gain:
        return Evidence(between(EVEN, LIKELY, won), numbers, f"{because} {won:.2f} of skill")
    if s.of_both < gain:
        return None
    return Evidence(
        between(EVEN, FAIR, s.of_both),
        numbers | {"gain with scaled inputs": s.of_both},
        f"{because} {s.of_both:.2f} of skill, with scaled inputs",
    )


@rule(
    "bad_init_large",
    "training",
    reason="initialised again at Glorot's size, the same training must learn",
    gain=HELPS,
    deviation=Limit(2, "times He's: the usual rules differ by less from each other"),
)
def bad_init_large(s: Subject, gain: float, deviation: float) -> Evidence | None:
    """Weights of Glorot's size learn what these did not."""
    ratio, _, layers = init_ratio(s)
    if s.baselines.healthy or ratio < deviation or not layers:
        return None
    won = s.gain("initialised_again")
    if won is None or won < gain:
        return None
    return Evidence(
        between(FAIR, CLEAR, won),
        {"deviation / He's": ratio, "gain of Glorot's": won},
        f"the initial weights are {ratio:.3g} times He's; of Glorot's size they gain {won:.2f} of skill",
    )
