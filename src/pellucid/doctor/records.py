"""What a training's records say, as numbers: how far it steps, whether it falls, jumps or ceases to be finite."""

import numpy as np

from pellucid.doctor.examination import Examination


def update_ratio(e: Examination) -> float:
    """The size of an update by that of the weights it moves: the median over steps and layers; NaN if unrecorded."""
    ratios = e.measure("update_ratio")
    return float(np.nanmedian(ratios)) if np.isfinite(ratios).any() else float("nan")


def falling(e: Examination) -> float:
    """The share of the loss's fall that fell in the last fifth of the steps, −1 to 1; NaN of less than ten."""
    losses = e.run.history.step_rows[:, 0]
    if len(losses) < 10:
        return float("nan")
    parts = [float(part.mean()) for part in np.array_split(losses, 5)]
    return float(np.clip((parts[3] - parts[4]) / max(parts[0] - parts[4], 1e-12), -1, 1))


def jump(e: Examination) -> float:
    """The last loss by the least; infinite where it ceased to be finite."""
    losses = e.losses
    if e.diverged or not len(losses):
        return np.inf
    return float(losses[-1] / max(abs(float(np.nanmin(losses))), 1e-12))


def worst_jump(e: Examination) -> float:
    """The greatest loss after the first by the first: above 1 the training went up before it went anywhere."""
    losses = e.run.history.step_rows[:, 0]
    if e.diverged or len(losses) < 2:
        return np.inf if e.diverged else 1.0
    return float(np.nanmax(losses[1:]) / max(abs(float(losses[0])), 1e-12))


def oscillation(e: Examination) -> float:
    """The share of the epochs, in the second half, that ended higher than the one before by more than a hundredth."""
    losses = e.losses[len(e.losses) // 2 :]
    if len(losses) < 4 or not np.isfinite(losses).all():
        return float("nan")
    return float((losses[1:] > 1.01 * losses[:-1]).mean())


def not_finite(e: Examination) -> str:
    """Where numbers ceased to be finite, as the end of a sentence: the first step, and the first layer recorded."""
    losses = e.run.history.step_rows[:, 0]
    bad = np.flatnonzero(~np.isfinite(losses))
    said = f" at step {int(bad[0]) + 1}" if len(bad) else ""
    sick = e.measure("finite") == 0
    if sick.any():
        layer = int(np.flatnonzero(sick[int(np.flatnonzero(sick.any(1))[0])])[0])
        said += f", first in {e.network.names[layer]}"
    return said
