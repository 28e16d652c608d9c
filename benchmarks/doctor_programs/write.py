"""The programs as files, in the format of the doctor's cases."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.doctor_programs.data import DATA
from benchmarks.doctor_programs.program import Program
from benchmarks.doctor_programs.verify import SEEDS, current, passes

LABELS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("labels.json").read_text())
"""The vocabulary: what each label means, and which others say the same."""
SOURCE = "written for this benchmark, after questions in public forums"


def write_data(programs: Iterable[Program], folder: Path) -> None:
    """The data sets that some programs read."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted({program.data for program in programs}):
        np.savez(folder / f"{name}.npz", **DATA[name]())  # pyright: ignore[reportArgumentType]


def write(programs: Iterable[Program], folder: Path) -> list[dict[str, Any]]:
    """One file a program, its data, and the vocabulary."""
    programs = list(programs)
    write_data(programs, folder)
    cases = [case_of(program) for program in programs]
    for case in cases:
        (folder / f"{case['id']}.json").write_text(json.dumps(case, indent=1) + "\n")
    counts = Counter(label for case in cases for label in case["faults"])
    labels = {name: entry | {"cases": counts[name]} for name, entry in LABELS.items()}
    (folder / "faults.json").write_text(json.dumps({"labels": labels}, indent=1) + "\n")
    return cases


def case_of(program: Program) -> dict[str, Any]:
    """The file of a program.

    Raises:
        ValueError: it is not verified as it stands.
    """
    found = current(program)
    if found is None:
        raise ValueError(f"{program.name} is not verified as it stands: python -m benchmarks.doctor_programs --verify")
    case = {"id": program.name, "title": program.title, "source": SOURCE} | program.plain | {"seeds": SEEDS}
    if program.reference is not None:
        value, tolerance, by = program.reference
        return case | {
            "origin": "control",
            "faults": [],
            "fixes": [],
            "reference": {"value": value, "tolerance": tolerance, "by": by},
            "verified": {name: value for name, value in found.items() if name not in ("digest", "passed")},
        }
    alone = [
        {"change": program.repairs[label], "repairs": label, "verified": one} for label, one in found["alone"].items()
    ]
    whole = {"change": program.fixing(), "verified": found["fix"]}
    return case | {
        "origin": "real",
        "primary_fault": found["primary"],
        "faults": sorted(found["faults"], key=lambda label: label != found["primary"]),
        "fixes": [whole, *(fix for fix in alone if passes(fix["verified"]) and fix["change"] != program.fixing())],
        "fixes_that_failed": [fix for fix in alone if not passes(fix["verified"])],
    }
