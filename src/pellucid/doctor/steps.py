"""Causes in how a training steps: the rate, the epochs, the batch, the size of inputs and targets.

A trial decides where one may be made: the cause is named where its removal alone brings the network on. Without
trials the records give a lower probability, and several causes fit.
"""

import numpy as np

from pellucid.doctor.findings import sample_mask
from pellucid.doctor.initial import init_ratio, without_biases
from pellucid.doctor.limits import HELPS, THROWN, Limit, above, below
from pellucid.doctor.records import falling, jump, not_finite, oscillation, update_ratio, worst_jump
from pellucid.doctor.rows import LARGE_TARGETS
from pellucid.doctor.rule import LIVES, Evidence, Rule, Subject, table_of
from pellucid.doctor.trials import USUAL_BATCH
from pellucid.network import token_layer

STEPS: list[Rule] = []
"""Rules of which most ask for a trial."""
rule = table_of(STEPS)

AS_GOOD = Limit(0.9, "of what another trial gains: as much, but for what a seed is worth")
SMALL_STEP = Limit(3e-4, "of the weights: a thousand such steps move them by a third of their size at most")


@rule(
    "learning_rate_too_high",
    "a smaller step alone must help: that is what the name means",
    gain=HELPS,
    step=Limit(0.03, "of the weights: thirty such steps replace them; a hundredth or less is usual"),
    rise=THROWN,
    up=Limit(0.3, "of the later epochs: a rate that fits sends few of them up"),
)
def learning_rate_too_high(s: Subject, gain: float, step: float, rise: float, up: float) -> Evidence | None:
    """A tenth or a hundredth of the rate learns what this rate did not."""
    e = s.e
    if s.reference.healthy and not e.diverged:
        return None
    update, unsteady = update_ratio(e), oscillation(e)
    numbers = {
        "last loss / least": jump(e),
        "greatest loss / first": worst_jump(e),
        "median update / weights": update,
        "share of epochs that went up": unsteady,
    }
    said = f"the loss became NaN or infinite{not_finite(e)}" if e.diverged else f"the loss ended at {e.losses[-1]:.3g}"
    won = s.gain("slower")
    if won is None:
        wild = max(above(update, step), above(worst_jump(e), rise), 0.5 * above(unsteady, up))
        return Evidence(0.1 + 0.5 * wild, numbers, said) if wild > 0.4 else None
    if won < gain:
        return None
    numbers["gain of a smaller rate"] = won
    sure = 0.6 + 0.3 * min(won, 1) + 0.05 * e.diverged
    return Evidence(sure, numbers, f"{said}; a smaller rate gains {won:.2f} of skill")


@rule(
    "learning_rate_too_low",
    "a larger step alone must help: that is what the name means",
    gain=HELPS,
    small=SMALL_STEP,
    fair=Limit(3e-3, "of the weights: with such steps another cause is likelier"),
    thrown=THROWN,
    as_good=AS_GOOD,
)
def learning_rate_too_low(
    s: Subject, gain: float, small: float, fair: float, thrown: float, as_good: float
) -> Evidence | None:
    """A larger rate learns what this rate did not."""
    e = s.e
    if not s.suspect or e.diverged or e.rate <= 0:
        return None
    update = update_ratio(e)
    numbers = {"median update / weights": update, "fall in the last fifth": falling(e)}
    said = f"an update moves the weights by {update:.1g} of their size"
    if np.isnan(update):
        said = f"the loss ended at {e.losses[-1]:.3g}"  # the size of updates was not recorded
    won = s.gain("faster")
    if won is None:
        # Where nothing moves, or not any more, units are dead or flat.
        little = below(update, small, 2) if update > 0 and worst_jump(e) < thrown else 0.0
        return Evidence(0.1 + 0.55 * little, numbers, said) if little > 0.4 else None
    if won < (s.worth if s.slow else gain):
        return None
    sure = 0.55 + 0.3 * min(won, 1) + 0.1 * below(update, small) - 0.15 * above(update, fair)
    longer = s.gain("longer") or 0.0
    if longer > as_good * won:  # the step is one of the usual size, so it is their number that lacks
        sure -= 0.2 * above(update, small)
    return Evidence(
        _told(s, sure, won), numbers | {"gain of a larger rate": won}, f"{said}; a larger rate gains {won:.2f} of skill"
    )


@rule(
    "too_few_epochs",
    "more epochs alone must help, and the loss must still be falling",
    gain=HELPS,
    few=Limit(2, "epochs: hardly any network has learnt after two"),
    step=Limit(1e-3, "of the weights: the step is a fair one, so it is the number that lacks"),
    steps=Limit(200, "updates: fewer than most rules need to settle"),
    fall=Limit(0.1, "of the fall in the last fifth: a training that is done falls less"),
)
def too_few_epochs(s: Subject, gain: float, few: float, step: float, steps: float, fall: float) -> Evidence | None:
    """More epochs learn what these did not."""
    e = s.e
    if not s.suspect or e.diverged:
        return None
    update, last = update_ratio(e), falling(e)
    short = 0.15 * below(e.run.experiment.epochs, 1.25 * few, 8) + 0.1 * above(update, step) * below(e.steps, steps)
    numbers = {"updates": e.steps, "fall in the last fifth": last}
    won = s.gain("longer")
    if won is None:
        still = max(above(last, fall, 2), float(np.isnan(last))) * above(update, step / 3, 2)
        said = f"after {sample_mask(e.steps, 'update')} the loss was still falling"
        return Evidence(0.2 + 0.3 * still + short, numbers, said) if still > 0.4 else None
    numbers["gain of more epochs"] = won
    times = f"{s.trials.times:.0f} times as many gain"
    said = f"after {sample_mask(e.steps, 'update')} the loss was still falling; {times} {won:.2f} of skill"
    gain = s.worth if s.slow else gain
    if won >= gain:
        return Evidence(_told(s, 0.5 + 0.25 * min(won, 1) + short, won), numbers, said)
    if won > gain / 2 and last > fall:
        return Evidence(0.28 * won / gain, numbers, said)
    # Of a handful of updates that is no refutation: the step is small besides.
    said = f"there were only {sample_mask(e.steps, 'update')}; at this rate even {times} little skill ({won:.2f})"
    handful = 0.45 * below(e.steps, steps / 4)
    return Evidence(handful, numbers, said) if handful > 0.3 else None


@rule(
    "batch_too_large",
    "an epoch of one or two updates learns as much as one or two updates",
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
    said = f"batches of {e.run.program.batch_size} rows leave {sample_mask(e.steps, 'update')} in all"
    few = each <= few_updates and e.run.experiment.epochs >= epochs
    if not s.with_trials:
        return Evidence(0.3 + 0.3 * below(each, 0.75 * few_updates), numbers, said) if few else None
    won = s.gain("smaller_batch") or 0.0
    if won < (s.worth if s.slow else gain):
        return None
    numbers["gain of a smaller batch"] = won
    said += f"; {USUAL_BATCH} rows a batch gain {won:.2f} of skill"
    return Evidence(_told(s, 0.9 if few else 0.55 + 0.3 * min(won, 1), won), numbers, said)


@rule(
    "batch_too_small",
    "one row's gradient is noise of the size of the gradient or more",
    gain=HELPS,
    rows=Limit(4, "rows: the mean of five halves the noise at least"),
    as_good=AS_GOOD,
)
def batch_too_small(s: Subject, gain: float, rows: float, as_good: float) -> Evidence | None:
    """One or a few rows a step, and a smaller step helps."""
    e = s.e
    size = e.run.program.batch_size
    by_rows = e.loss.name == "perceptron"  # the rule takes one row at a time
    if (not s.suspect and not e.diverged) or size > rows or e.rows < 100 or by_rows:
        return None
    said = f"each update is made from {size} rows" if size > 1 else "each update is made from one row"
    if s.slow:  # it learns: how far its noise holds it back a larger batch tells
        won = s.gain("larger_batch") or 0.0
        return Evidence(max(0.3, _told(s, 0.6, won)), {"batch": size, "gain of a larger batch": won}, said)
    won = s.gain("slower")
    if won is None:
        return Evidence(0.35, {"batch": size}, said)
    if won < gain:
        return None
    larger = s.gain("larger_batch") or 0.0
    numbers = {"batch": size, "gain of a smaller rate": won, "gain of a larger batch": larger}
    if larger < gain:
        return Evidence(0.5, numbers, said)
    said += f"; {USUAL_BATCH} rows a batch gain {larger:.2f} of skill"
    return Evidence(0.92 if larger > as_good * won else 0.8, numbers, said)


def _told(s: Subject, sure: float, won: float) -> float:
    """How sure a cause is that a trial of this gain speaks for: less where the network does well as it is."""
    return min(sure, 0.2 + 0.4 * won / max(1 - s.e.skill_new, 1e-9)) if s.slow else sure


@rule("weak_optimizer", "a rule whose steps shrink or are too short for every rate", gain=HELPS)
def weak_optimizer(s: Subject, gain: float) -> Evidence | None:
    """Plain descent where even a larger rate does not do."""
    e = s.e
    name = getattr(e.training.optimizer, "name", "")
    if s.reference.healthy or e.diverged or name not in ("sgd", "adagrad", "adadelta", "gradient_descent"):
        return None
    faster, longer = s.gain("faster"), s.gain("longer")
    if faster is None or longer is None:
        return Evidence(0.2, {}, f"{name} is slow on most tasks")
    won = max(faster, longer)
    return Evidence(0.4, {"gain of a larger rate": won}, f"{name} is slow here") if won > gain else None


@rule(
    "inputs_not_scaled",
    "standardising alone must help",
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
    if s.reference.healthy or token_layer(e.network) or not np.isfinite(e.x).all():
        return None
    found = float(np.sqrt((e.x.astype(np.float64) ** 2).mean()))
    won = s.gain("standardised") if found >= size else None
    if won is None:
        return None
    said = f"the inputs have a root mean square of {found:.3g}; standardised they"
    if won < gain:
        with_more = max(s.gain("standardised_slower") or 0.0, s.of_both)
        if with_more >= gain:
            numbers = {"root mean square": found, "gain with a smaller rate or scaled targets": with_more}
            sure = 0.5 + 0.3 * min(with_more, 1) + 0.12 * above(found, large)
            return Evidence(
                sure, numbers, f"{said} gain {with_more:.2f} of skill, with a smaller rate or scaled targets"
            )
        if s.revived > lives:
            return Evidence(
                0.65, {"root mean square": found, "brought to life": s.revived}, f"{said} bring dead units to life"
            )
        return None
    x = s.e.finite
    off = float(np.median(np.abs(x.mean(0)) / np.maximum(x.std(0), 1e-12))) if without_biases(s) else 0.0
    return Evidence(
        0.55 + 0.3 * min(won, 1) + 0.12 * above(found, large) - 0.2 * above(off, offset),
        {"root mean square": found, "gain of standardised inputs": won},
        f"{said} gain {won:.2f} of skill",
    )


@rule("targets_not_scaled", "standardising the targets alone must help", gain=HELPS, large=LARGE_TARGETS)
def targets_not_scaled(s: Subject, gain: float, large: float) -> Evidence | None:
    """Standardised targets learn what these did not."""
    e = s.e
    if s.reference.healthy or e.task != "regression":
        return None
    size = float(np.sqrt((e.y.astype(np.float64) ** 2).mean()))
    won = s.gain("scaled_targets") if size >= large else None
    if won is None:
        return None
    numbers = {"root mean square": size, "gain of standardised targets": won}
    said = f"the targets have a root mean square of {size:.3g}; standardised they gain"
    if won >= gain:
        return Evidence(0.55 + 0.3 * min(won, 1), numbers, f"{said} {won:.2f} of skill")
    if s.of_both < gain:
        return None
    return Evidence(
        0.5 + 0.3 * min(s.of_both, 1),
        numbers | {"gain with scaled inputs": s.of_both},
        f"{said} {s.of_both:.2f} of skill, with scaled inputs",
    )


@rule(
    "bad_init_large",
    "drawn anew at Glorot's size, the same training must learn",
    gain=HELPS,
    spread=Limit(2, "times He's: the usual rules differ by less from each other"),
)
def bad_init_large(s: Subject, gain: float, spread: float) -> Evidence | None:
    """Weights of Glorot's size learn what these did not."""
    ratio, _, layers = init_ratio(s)
    if s.reference.healthy or ratio < spread or not layers:
        return None
    won = s.gain("drawn_anew")
    if won is None or won < gain:
        return None
    return Evidence(
        0.75 + 0.2 * min(won, 1),
        {"spread / He's": ratio, "gain of Glorot's": won},
        f"the initial weights are {ratio:.3g} times He's; of Glorot's size they gain {won:.2f} of skill",
    )
