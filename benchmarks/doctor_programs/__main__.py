"""``python -m benchmarks.doctor_programs FOLDER`` writes the programs; ``--verify`` trains those that have changed."""

import json
import os
import tempfile
from pathlib import Path

import click

from benchmarks.doctor_programs import PROGRAMS, current, verify, write
from benchmarks.doctor_programs.verify import KEPT
from benchmarks.doctor_programs.write import write_data
from pellucid.core.xla import keep_compiled_programs


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option("--part", type=click.Choice(["looked", "aside"]), help="One half alone.")
@click.option("--verify", "verifying", is_flag=True, help="Train what is not verified as it stands, and keep it.")
@click.option("--again", is_flag=True, help="With --verify: all of them.")
@click.option("--only", default="", help="With --verify: programs whose names hold this.")
def main(folder: Path | None, part: str | None, verifying: bool, again: bool, only: str) -> None:
    """Write the programs to FOLDER, in the format of the doctor's cases; or verify them."""
    if verifying:
        _verify(again, only)
    elif folder is None:
        raise click.UsageError("where to? python -m benchmarks.doctor_programs FOLDER")
    if folder is not None:
        chosen = [one for one in PROGRAMS if part is None or one.aside == (part == "aside")]
        cases = write(chosen, folder)
        click.echo(f"{len(cases)} programs in {folder}, {sum(bool(case['faults']) for case in cases)} of them faulty")


QUICK_TO_COMPILE = (
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_parallel_codegen_split_count=1 --xla_cpu_multi_thread_eigen=false"
)
"""Three hundred small programs are compiled once and run for a second: this takes a third of the processor's time."""


def _verify(again: bool, only: str) -> None:
    os.environ.setdefault("XLA_FLAGS", QUICK_TO_COMPILE)  # read when the first program is compiled
    keep_compiled_programs()
    names = {program.name for program in PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        write_data(PROGRAMS, Path(folder))
        for program in PROGRAMS:
            if only not in program.name or (current(program) and not again):
                continue
            found = verify(program, Path(folder))
            kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}  # another process may write it as well
            kept = {name: one for name, one in kept.items() if name in names} | {program.name: found}
            KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
            click.echo(f"{'  ' if found['passed'] else 'x '}{program.name}: {_line(found)}")


def _line(found: dict) -> str:
    if "alone" not in found:
        return f"{found['mean']} (worst {found['worst']}), of {found['reference']} ± {found['tolerance']}"
    alone = ", ".join(
        f"{'' if label in found['faults'] else '(not) '}{label} {one['fixed_mean']}"
        for label, one in found["alone"].items()
    )
    fix = found["fix"]
    return f"{fix['faulty_mean']} to {fix['fixed_mean']} (d {fix['cohens_d']}); alone: {alone}"


if __name__ == "__main__":
    main()
