"""``pellucid sample`` and ``pellucid translate``."""

from pathlib import Path

import click

from pellucid.cli.options import as_json, print_json, say


@click.command(
    epilog="""\b
Examples:
  pellucid sample runs/mnist-wgan-001 --count 64 --output samples.png
  pellucid sample runs/gaussian-ring-wgan-001 --count 10000 --output samples.npy --seed 1
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
    """Generate examples with the GAN of a saved RUN: a picture of images or points, or an array."""
    import io

    import numpy as np

    from pellucid.api import load
    from pellucid.core.files import write_bytes
    from pellucid.report.print_figure import save_figure

    loaded = load(run)
    samples = loaded.sample(count, seed)
    if output.suffix == ".npy":
        content = io.BytesIO()
        np.save(content, samples)
        write_bytes(output, content.getvalue())
    else:
        save_figure(loaded.plot_samples(count, seed), output)
    if as_json:
        print_json({"output": str(output), "shape": list(samples.shape)})
    say(f"{count} samples in {output}")


@click.command(
    epilog="""\b
Examples:
  pellucid translate runs/pairs-translator-001 "I am cold." "Go!"
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("sentences", nargs=-1, required=True)
@as_json
def translate(run: Path, sentences: tuple[str, ...], as_json: bool) -> None:
    """Translate SENTENCES with the translator of a saved RUN."""
    from pellucid.api import load

    translations = load(run).translate(list(sentences))
    if as_json:
        print_json(dict(zip(sentences, translations, strict=True)))
    else:
        click.echo("\n".join(translations))
