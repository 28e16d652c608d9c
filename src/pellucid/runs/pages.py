"""The page of a run, put together from what the run knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pellucid.data import Dataset
from pellucid.network import summarize
from pellucid.report.constant import constant_output
from pellucid.report.judged import judge
from pellucid.report.page import Html, number
from pellucid.report.picture import is_picture
from pellucid.report.run_page import RunPage
from pellucid.report.samples import show_samples
from pellucid.report.weights import Trained
from pellucid.runs.folder import RunFolder
from pellucid.runs.scaling import describe_targets

if TYPE_CHECKING:
    from pellucid.runs.gan_run import GanRun
    from pellucid.runs.run import Run


def page_of_run(run: Run, files: RunFolder) -> str:
    """The page of a supervised run or an autoencoder, whose other files are written already."""
    facts = run.facts
    data = None if run.data is None else replace(run.data, preprocessing=facts.preprocessing)
    constant: dict[str, float] = {}
    judged = Html("")
    if data is not None and data.held_out is not None and run.result:
        outputs = run.outputs(data.held_out.x) if run.held_out_outputs is None else run.held_out_outputs
        judged = judge(data, outputs, run.program.loss.reads)
        constant = _constant_figures(run, data, outputs)
    names = facts.classes if facts.task == "multiclass" else facts.classes[1:]
    trained = Trained(
        run.network, run.params, run.summary, facts.input_shape, () if data is None else data.features, names
    )
    return RunPage(
        title=facts.name,
        story=_story(run, constant),
        notes=run.notes.rows,
        settings=run.experiment.to_dict(),
        toml=(files.path / "experiment.toml").read_text(encoding="utf-8"),
        manifest=files.read_json("manifest.json"),
        history=run.history,
        networks={"": trained},
        result=run.result,
        constant=constant,
        watched="validation" if run.experiment.decides else "held out",
        judged=judged,
        findings=files.read_verdict("findings"),
        compared=files.read_verdict("findings", "compared"),
        proof=files.read_verdict("proof"),
    ).render()


def kept_page(run: Run | GanRun) -> str | None:
    """The page that a loaded run was written with: without its data it cannot be judged again. Else None."""
    if run.data is not None or run.folder is None:
        return None
    path = run.folder / "report.html"
    return path.read_text(encoding="utf-8") if path.exists() else None


def _story(run: Run, constant: dict[str, float]) -> str:
    name = run.program.metric.name
    made = _how_long(run)
    if name not in run.result:
        return f"{made}; no held-out rows to measure on."
    what = name.replace("_", " ").capitalize()
    text = f"{what} {number(run.result[name])} on {run.facts.held_out_rows:,} held-out rows"
    if name in constant:
        text += f"; always predicting the same gives {number(constant[name])}"
    scaled = describe_targets(run.facts.target_preprocessing)
    return f"{text}. {made}." + (f" {scaled[0].upper()}{scaled[1:]}." if scaled else "")


def _how_long(run: Run | GanRun) -> str:
    """How many epochs were made and why no more, as the run says it."""
    return str(run).splitlines()[0].split(": ", 1)[1]


def _constant_figures(run: Run, data: Dataset, outputs: np.ndarray) -> dict[str, float]:
    """Loss and metric of always giving the mean of the training targets."""
    assert data.held_out is not None
    if run.facts.task == "reconstruction":
        mean = data.preprocessing.apply_numpy(data.train.x.mean(axis=0, dtype=float))
    elif outputs.ndim != 2:  # an answer for each step of a sequence
        return {}
    else:
        mean = constant_output(run.program.loss, data.train.y, run.facts.outputs)
    return run.figures(np.broadcast_to(mean, outputs.shape), data.held_out)


def page_of_gan(run: GanRun, files: RunFolder) -> str:
    """The page of a GAN, whose other files are written already."""
    shape, program, data = run.facts.input_shape, run.program, run.data
    judged = Html("")
    if data is not None:
        real = data.train.x[: 64 if is_picture(shape) else 500]
        samples = run.sample(len(real))
        judged = show_samples(samples, real, (run.score(samples), run.score(real)))
    networks = {
        name: Trained(network, run.params[name], summarize(network, inputs), shape)
        for name, network, inputs in (
            ("generator", program.generator, (program.latent,)),
            ("critic", program.critic, shape),
        )
    }
    return RunPage(
        title=run.facts.name,
        story=f"{_how_long(run)}. “loss” is the critic's, without the penalty that restrains it.",
        settings=run.experiment.to_dict(),
        toml=(files.path / "experiment.toml").read_text(encoding="utf-8"),
        manifest=files.read_json("manifest.json"),
        history=run.history,
        networks=networks,
        result=run.result,
        judged=judged,
        findings=files.read_verdict("findings"),
        compared=files.read_verdict("findings", "compared"),
        proof=files.read_verdict("proof"),
    ).render()
