"""Axes of charts: round ticks, all written alike, and pixels for numbers."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Axis:
    """A range of numbers; where logarithmic, ``low`` is positive; ``whole``: ticks are whole numbers, as of epochs."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @staticmethod
    def of(numbers: Any, *, log: bool = False, whole: bool = False, margin: float = 0.0) -> "Axis":
        """An axis that holds these numbers with a margin, a fraction of its length; it is never empty."""
        values = finite([numbers])
        values = values[values > 0] if log else values
        low, high = (float(values.min()), float(values.max())) if len(values) else (1.0, 10.0) if log else (0.0, 1.0)
        if log:
            factor = 10 ** (margin * max(math.log10(high / low), 0.2))
            if high < 1.6 * low:
                factor = max(factor, 1.3)
            return Axis(low / factor, high * factor, True, whole)
        if whole:
            low, high = float(math.floor(low)), float(math.ceil(high))
            low = 0.0 if 0 < low <= 0.05 * high else low
        length = high - low
        if length <= 1e-9 * max(abs(low), abs(high)):
            length = 2 * (abs(high) * 0.1 or 0.5)
            low, high = low - length / 2, high + length / 2
        return Axis(low - margin * length, high + margin * length, False, whole)

    def fraction(self, values: Any) -> np.ndarray:
        """Where the numbers lie: 0 at the lower end, 1 at the upper."""
        values, low, high = np.asarray(values, float), self.low, self.high
        if self.log:
            with np.errstate(invalid="ignore", divide="ignore"):
                values, low, high = np.log10(values), math.log10(low), math.log10(high)
        return (values - low) / (high - low)

    def ticks(self, count: int = 6) -> list[float]:
        """Round numbers within it, about ``count``."""
        if self.log:
            return _log_ticks(self.low, self.high, count)
        step = self.step(count)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]

    def step(self, count: int) -> float:
        """The distance of the ticks: 1, 2 or 5 times a power of ten."""
        size = (self.high - self.low) / max(count, 1)
        power = 10.0 ** math.floor(math.log10(size))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= size * (1 - 1e-9))
        return max(step, 1.0) if self.whole else step

    def labels(self, count: int = 6) -> tuple[list[str], str]:
        """The ticks as texts in one notation, and the power of ten that all are multiplied with, or nothing.

        Example:
            >>> Axis(0, 1).labels(4)
            (['0.0', '0.5', '1.0'], '')
            >>> Axis(-2e-5, 2e-5).labels(2)
            (['−2', '0', '2'], '×10⁻⁵')
        """
        ticks = self.ticks(count)
        if self.log:
            return [_log_label(tick, plain=self.low >= 1e-4 and self.high < 1e5) for tick in ticks], ""
        largest, step = max((abs(tick) for tick in ticks), default=0.0), self.step(count)
        power = 0
        if largest and (largest >= 1e6 or largest < 1e-3):
            power = math.floor(math.log10(largest) + 1e-9)
        decimals = max(0, -math.floor(math.log10(step) - power + 1e-9))
        texts = [f"{tick / 10.0**power + 0.0:,.{decimals}f}".replace("-", "−") for tick in ticks]
        return texts, f"×10{str(power).translate(_SUPERSCRIPTS)}" if power else ""


def finite(arrays: Iterable[Any]) -> np.ndarray:
    """All finite numbers of some arrays in one."""
    flat = [np.asarray(array, float).ravel() for array in arrays]
    joined = np.concatenate(flat) if flat else np.zeros(0)
    return joined[np.isfinite(joined)]


def _log_ticks(low: float, high: float, count: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        return [10.0**power for power in range(first, last + 1, (last - first) // max(count, 1) + 1)]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for factors in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)):
        ticks = [f * 10.0**power for power in powers for f in factors if low <= f * 10.0**power <= high]
        if len(ticks) >= 3:
            break
    return ticks


def _log_label(value: float, plain: bool) -> str:
    if plain:
        return f"{value:,.4f}".rstrip("0").rstrip(".") if value < 1000 else f"{value:,.0f}"
    power = math.floor(math.log10(value) + 1e-9)
    factor = value / 10.0**power
    written = "" if abs(factor - 1) < 1e-6 else f"{factor:.2g}·"
    return f"{written}10{str(power).translate(_SUPERSCRIPTS)}"
