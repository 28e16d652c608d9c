"""How much each setting of a space matters, by a forest that learns the trials' values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.sweeps.space import Range, Space
from pellucid.sweeps.trial import Trial

LEAST = 10
"""Fewest trials that a forest is fitted to: of fewer it learns noise."""
TREES = 200
REPEATS = 10


def importances(space: Space, trials: Sequence[Trial]) -> dict[str, float] | None:
    """Fraction of the trials' differences that each setting explains; together the part that the forest explains.

    A random forest predicts the value of each trial from its setting, out of bag. A setting counts by the loss of
    accuracy where it is permuted, scaled so that all sum to the forest's R².

    Returns:
        By name, the most important first; None where the trials are too few or alike, or tell nothing.

    Source: Breiman, Random forests, 2001, section 10 (permutation importance).
    """
    finite = [trial for trial in trials if np.isfinite(trial.value) and not trial.dropped]
    values = np.array([trial.value for trial in finite])
    if len(finite) < LEAST or np.ptp(values) == 0:
        return None
    from sklearn.ensemble import RandomForestRegressor  # lazily: it takes a second to import
    from sklearn.inspection import permutation_importance

    x = np.array([[_place(space, name, trial) for name in space] for trial in finite])
    forest = RandomForestRegressor(TREES, min_samples_leaf=2, oob_score=True, random_state=0).fit(x, values)
    if forest.oob_score_ <= 0:
        return None
    permuted: Any = permutation_importance(forest, x, values, n_repeats=REPEATS, random_state=0)
    drops = np.maximum(permuted["importances_mean"], 0)
    scaled = drops / (drops.sum() or 1.0) * forest.oob_score_
    order = np.argsort(-scaled)
    names = list(space)
    return {names[i]: float(scaled[i]) for i in order}


def _place(space: Space, name: str, trial: Trial) -> float:
    """A number in whose order a tree divides the values of a setting."""
    values, at = space[name], trial.point[name]
    return float(np.log(at)) if isinstance(values, Range) and values.log else float(at)
