"""From the strength of evidence to the probability of a cause, by a curve that was fitted to cases with known causes.

``python -m benchmarks.doctor_calibration`` fits it and writes ``calibration.toml``.
"""

import math
import tomllib
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "calibration.toml"
LEAST = 0.005
"""Nothing is less certain, and nothing more certain than the rest, by its strength."""


@cache
def curve() -> tuple[float, float]:
    """Intercept and slope of the fit, over log-odds."""
    fit = tomllib.loads(FILE.read_text())
    return fit["intercept"], fit["slope"]


def log_odds(strength: float) -> float:
    """``ln(s / (1 − s))``, with s kept off 0 and 1."""
    strength = min(max(strength, LEAST), 1 - LEAST)
    return math.log(strength / (1 - strength))


def probability(strength: float) -> float:
    """How likely a cause with evidence of this strength holds in a network that stays behind the baselines.

    Formula:
        p = 1 / (1 + exp(−(a + b ln(s / (1 − s)))))

    Example:
        >>> 0 < probability(0.2) < probability(0.5) < probability(0.9) < 1
        True

    Source: Platt, Probabilistic outputs for support vector machines, 1999.
    """
    intercept, slope = curve()
    return 1 / (1 + math.exp(-(intercept + slope * log_odds(strength))))
