"""``pellucid sample``, and what ``pellucid train`` does for a GAN."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pellucid.cli.options import Specification, as_json, print_json, say

GANS = {"gan": "gan", "wgan": "wasserstein"}
"""The loss by the network's name."""


def is_gan(network: str) -> bool:
    """Whether ``--network`` asks for a GAN."""
    return network.partition(":")[0] in GANS


def begin_gan(
    data: Any, settings: dict[str, Any], options: dict[str, Any], optimizer_of: Callable[[dict[str, Any]], Any]
) -> Any:
    """Train a GAN as the options of ``pellucid train`` say.

    Args:
        data: the dataset.
        settings: how it is opened again.
        options: those of ``pellucid train``; the fields of the network are arguments of `pellucid.train_gan`.
        optimizer_of: makes the optimiser of the options.
    """
    from pellucid.core.registry import describe
    from pellucid.runs.gan import CUSTOMS, experiment_for, run_gan
    from pellucid.runs.gan_run import GanRun, program_of_gan

    context = click.get_current_context()
    specification = Specification().convert(options["network"], None, None)
    fields: dict[str, Any] = {"name": specification} if isinstance(specification, str) else dict(specification)
    fields = {"loss": GANS[fields.pop("name")]} | fields
    taken = ("latent", "loss", "lipschitz_constraint", "critic_steps")
    for field in fields:
        if field not in taken:
            raise click.BadParameter(
                f"a GAN has no field {field!r}. Fields: {', '.join(taken)}.", param_hint="--network"
            )
    given = {name: context.get_parameter_source(name).name == "COMMANDLINE" for name in options}  # pyright: ignore[reportOptionalMemberAccess]
    if given["learning_rate"] or given["schedule"] or given["optimizer"]:
        usual = CUSTOMS[fields["loss"]].optimizer if fields["loss"] in CUSTOMS else "adam"
        chosen = options["optimizer"] if given["optimizer"] else describe(usual)
        fields["optimizer"] = optimizer_of(options | {"optimizer": chosen})
    counts = {"epochs": options["epochs"], "batch_size": options["batch_size"]}
    fields |= {name: int(value) for name, value in counts.items() if value is not None}
    fields |= {"seed": options["seed"] or 0}
    fields |= {name: options[name] for name in ("record_every", "record", "histograms_every")}
    experiment = experiment_for(None, None, data, settings=settings, **fields)
    say(GanRun.summary(program_of_gan(experiment), data.input_shape))
    return run_gan(
        experiment,
        data,
        folder=options["folder"],
        overwrite=options["overwrite"],
        checkpoint_every=options["checkpoint_every"],
        progress=not options["quiet"],
    )


@click.command(
    epilog="""\b
Examples:
  pellucid sample runs/mnist-002 --count 64 --output samples.png
  pellucid sample runs/gaussian-ring-001 --count 10000 --output samples.npy --seed 1
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--count", type=click.IntRange(1), default=64, show_default=True, help="How many examples.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of the noise.")
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="A picture (.png, .svg, .pdf), or an array (.npy)."
)
@as_json
def sample(run: Path, count: int, seed: int, output: Path, as_json: bool) -> None:
    """Make new examples with the GAN of a saved RUN: a picture of images or points, or an array."""
    import io

    import numpy as np

    from pellucid.core.files import write_bytes
    from pellucid.report.print_figure import save_figure, to_matplotlib
    from pellucid.report.samples import sample_chart
    from pellucid.runs.gan_run import load_gan

    samples = load_gan(run).sample(count, seed)
    if output.suffix == ".npy":
        content = io.BytesIO()
        np.save(content, samples)
        write_bytes(output, content.getvalue())
    else:
        save_figure(to_matplotlib(sample_chart(samples)), output)
    if as_json:
        print_json({"output": str(output), "shape": list(samples.shape)})
    say(f"{count} samples in {output}")
