"""``pellucid train DATA --folds N``."""

from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import print_document, print_json, say
from pellucid.cli.settings import given_settings, is_given
from pellucid.cli.sources import data_settings
from pellucid.cli.train import free_folder, network_of


def cross_validate(source: str, count: int, as_json: bool, options: dict[str, Any]) -> None:
    """Cross-validate the training that the options describe, print its table and save it."""
    from pellucid.api import CrossValidation
    from pellucid.runs.cross_validation import require_free, train_folds
    from pellucid.runs.experiment import check_values, open_data

    if source.endswith(".toml"):
        raise click.UsageError(
            "--folds: an experiment.toml trains on its own rows. Give its data and settings instead."
        )
    for name, reason in (
        ("held_out", "each fold is held out once"),
        ("test", "each fold is held out once"),
        ("track", "several trainings are made, and a tracker follows one"),
        ("checkpoint_every", "a cross-validation keeps no checkpoints"),
    ):
        if is_given(name):
            raise click.UsageError(f"--{name.replace('_', '-')}: with --folds {reason}. Leave it out.")
    if options["folder"] is not None:
        require_free(options["folder"], options["overwrite"])
    settings = given_settings(options)
    seed, network = settings.pop("seed", 0), settings.pop("network", None)
    check_values({**settings, "seed": seed})
    opened = data_settings(source, network, {**options, "held_out": None}, seed)
    data = open_data({**opened, "held_out": None} if "file" in opened else opened)
    say(str(data))
    validated = CrossValidation.of(
        train_folds(
            network_of(network), data, settings, count=count, seed=seed, source=opened, progress=options["progress"]
        )
    )
    if validated.runs[0].notes.choices:
        say("; ".join(validated.runs[0].notes.choices))
    name = validated.runs[0].experiment.name.removesuffix("-fold-1")
    folder = validated.save(options["folder"] or free_folder(f"{name}-cv"), overwrite=options["overwrite"])
    if as_json:
        print_json({"folder": str(folder), **validated.to_dict()})
    else:
        print_document(validated.to_document(), 180)
    say(f"saved to {folder} (report: {Path(folder) / 'report.html'})")
