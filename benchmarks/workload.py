"""What a workload is: how it is measured, and what it aims for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.measure import Case


class Settings(NamedTuple):
    """How much to measure.

    Args:
        rounds: rounds of each comparison.
        quick: little data and few epochs: shows that all runs, says nothing of the speed.
    """

    rounds: int = 5
    quick: bool = False


@dataclass(frozen=True)
class Target:
    """A value to reach.

    Args:
        case: name of the case it belongs to.
        text: what is aimed for.
        measure: the value reached; None where it was not measured.
        bound: what it is compared with.
        at_least: whether the value must be at least the bound, or at most.
    """

    case: str
    text: str
    measure: Callable[[Case], float | None]
    bound: float
    at_least: bool = True

    def judge(self, cases: list[Case]) -> tuple[str, str]:
        """The value reached, and ``met``, ``not met`` or ``not measured``."""
        case = next((case for case in cases if case.name == self.case), None)
        reached = None if case is None else self.measure(case)
        if reached is None:
            return "", "not measured"
        met = reached >= self.bound if self.at_least else reached <= self.bound
        return f"{reached:.4g}", "met" if met else "not met"


@dataclass(frozen=True)
class Workload:
    """One row of the table of workloads.

    Args:
        name: for the command line.
        title: what is measured, in a line.
        text: how, in a paragraph, for the report.
        measure: runs it.
        targets: what it aims for.
    """

    name: str
    title: str
    text: str
    measure: Callable[[Settings], list[Case]]
    targets: tuple[Target, ...] = ()


def faster_than(case: str, who: str, *contenders: str, times: float) -> Target:
    """Aim for a reference that many times as fast as the fastest of the contenders, in the median round."""

    def ratio(case: Case) -> float | None:
        fastest = case.fastest(*contenders)
        return None if fastest is None else case.ratio(fastest).median

    return Target(case, f"at least {times:g}× as fast as {who}", ratio, times)
