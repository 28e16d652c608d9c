"""``pellucid prove``."""

from pathlib import Path

import click

from pellucid.cli.options import as_json, print_json, say
from pellucid.core.files import write_bytes


@click.command(
    epilog="""\b
Examples:
  pellucid prove runs/houses-128-001                  what fixes this training, by experiment
  pellucid prove runs/houses-128-001 --apply          and write the repaired settings beside it
  pellucid train runs/houses-128-001/repaired.toml    train with them
"""
)
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--seeds", type=click.IntRange(3), default=10, show_default=True, help="Paired seeds of the last test.")
@click.option("--budget", type=float, default=60.0, show_default=True, help="Seconds of each race of candidates.")
@click.option("--random/--no-random", default=True, help="Also try as many changes chosen at random.")
@click.option("--apply", "write", is_flag=True, help="Write the repaired settings to RUN/repaired.toml.")
@as_json
def prove(folder: Path, seeds: int, budget: float, random: bool, write: bool, as_json: bool) -> None:
    """Try what may help the training of RUN, and say what does.

    The original and its remedies are trained on the same seeds and scored on the held-out rows by a paired test, beside
    as many changes chosen at random. The proof is kept as proof.json in RUN and shown on its report.html. Ends with
    code 1 where nothing tried beats the original.
    """
    from pellucid.api import load
    from pellucid.cli.findings import print_section, proving
    from pellucid.doctor import repaired_settings
    from pellucid.report.doctor import proof_section

    run = load(folder)
    with proving() as watch:
        proof = run.prove(seeds=seeds, budget=budget, random=random, progress=watch)
    if as_json:
        print_json(proof.to_dict())
    else:
        print_section(proof_section(proof.to_dict()))
    say(f"written to {folder / 'proof.json'} and {folder / 'report.html'}")
    if proof.best is None:
        raise SystemExit(1)
    if write:
        path = folder / "repaired.toml"
        write_bytes(path, repaired_settings(proof, run.experiment).encode())
        say(f"repaired settings: {path}; train with them: pellucid train {path}")
