"""How often the doctor's proofs repair a program: ``python -m benchmarks.repairs --cases FOLDER``.

Every faulty case is trained, diagnosed and handed to `pellucid.prove` with the measure that its author judges by. A
repair is what beats the original over ten paired seeds that no race has seen. Beside it stands the best of as many
changes drawn at random. GANs have no remedies yet and count as not repaired.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from benchmarks.doctor_cases import Case, read_cases, run_of
from pellucid.doctor import prove
from pellucid.doctor.proof import skill
from pellucid.doctor.setup import Judge
from pellucid.models.gan_run import GanRun
from pellucid.models.keeping import keep_compiled_programs


def _share_right(decided: np.ndarray, truth: np.ndarray) -> float:
    return float((decided == truth).mean()) if decided.shape == truth.shape else 0.0


JUDGES: dict[str, Judge] = {"accuracy": _share_right, "bit_accuracy": _share_right}
"""By a case's metric; all others by skill: mean recall, variance explained, which orders as the squared error does."""


@dataclass
class Repair:
    """What came of one case."""

    case: str
    origin: str
    aside: bool
    change: str
    """The proven change; empty where nothing tried beats the original."""
    gain: float
    random: bool
    """Whether the best of as many random changes was proven too."""
    trainings: int
    seconds: float


def repair(case: Case, budget: float) -> Repair:
    """Train, diagnose and prove one case."""
    run = run_of(case)
    nothing = Repair(case.identity, case.origin, case.aside, "", 0.0, False, 0, 0.0)
    if isinstance(run, GanRun):
        return nothing
    proof = prove(run, judge=JUDGES.get(case.program["metric"], skill), budget=budget)
    best = proof.best
    change = best.candidate.change if best is not None and best.candidate is not None else ""
    gain = best.test.difference if best is not None and best.test is not None else 0.0
    random = proof.random is not None and proof.random.proven
    return Repair(
        case.identity, case.origin, case.aside, change, gain, random, proof.trainings, proof.seconds
    )


def summary(repairs: list[Repair]) -> dict[str, float]:
    """The shares and medians of some cases."""
    return {
        "cases": len(repairs),
        "repaired": float(np.mean([bool(one.change) for one in repairs])),
        "by random changes": float(np.mean([one.random for one in repairs])),
        "median seconds": float(np.median([one.seconds for one in repairs])),
    }


@click.command()
@click.option(
    "--cases", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--budget", default=8.0, show_default=True, help="Seconds of each race of candidates.")
@click.option("--every", default=1, show_default=True, help="Take each so-many-th faulty case.")
@click.option("--json", "as_json", is_flag=True, help="The results on stdout, for machines.")
def main(folder: Path, budget: float, every: int, as_json: bool) -> None:
    """Prove a repair of every faulty program of a folder, and say how often that succeeds."""
    keep_compiled_programs()
    faulty = [case for case in read_cases(folder) if case.faults][::every]
    repairs: list[Repair] = []
    for case in faulty:
        one = repair(case, budget)
        repairs.append(one)
        mark = one.change or "nothing proven"
        random = "random changes too" if one.random else "random changes not"
        click.echo(f"{case.identity}: {mark} ({one.gain:+.3f}, {one.seconds:.0f} s; {random})", err=as_json)
    if as_json:
        plain = {"summary": summary(repairs), "cases": [asdict(one) for one in repairs]}
        click.echo(json.dumps(plain, indent=1))
        return
    for name, value in summary(repairs).items():
        click.echo(f"{name}: {value:.2f}")


if __name__ == "__main__":
    main()
