"""The page that every run ends with: its verdict and curves, what it predicts, the network, how to repeat it."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.core.errors import DataWarning
from pellucid.data import Part
from pellucid.data.targets import AS_ROWS
from pellucid.functions.activations import Sigmoid, Softmax
from pellucid.functions.losses import Hinge, Loss
from pellucid.functions.transcription import edit_distances
from pellucid.report import html
from pellucid.report.chart import HeatMap
from pellucid.report.doctor import findings_section, proof_section
from pellucid.report.document import (
    Block,
    Bullets,
    Code,
    Columns,
    Details,
    Document,
    Inline,
    Listing,
    Note,
    Paragraph,
    Section,
    Severity,
    Table,
    facts,
    number,
)
from pellucid.report.network import architecture, decision_boundary, weight_blocks
from pellucid.report.picture import is_picture
from pellucid.report.predictions import prediction_sections, probabilities_of, steps_as_rows
from pellucid.report.samples import samples_section
from pellucid.report.training import curves, layer_flow, words
from pellucid.runs.folder import RunFolder
from pellucid.runs.measures import scored_steps
from pellucid.runs.samples import sample, score
from pellucid.runs.scaling import describe_targets
from pellucid.runs.trained import Trained
from pellucid.runs.translation import align, translate

LATER = ("epochs", "patience")
"""Settings that end a training later and change nothing before: with them from the beginning it is the same."""
SENTENCES = 12
"""Of translations that are shown."""
SEQUENCES = 20
"""Of labels that are shown, those with the most mistakes."""
FILES = (
    ("experiment.toml", "all settings"),
    ("manifest.json", "versions, data and their hash, seed"),
    ("weights.safetensors", "the parameters to predict with, and the measurements as arrays"),
    ("history/", "the measurements of steps, epochs and layers, as Parquet"),
    ("result.json, notes.json", "the metrics at the end, and what was reported of the training"),
    ("findings.json, proof.json", "what the doctor found and proved, where it was asked"),
)


def page_of(trained: Trained, files: RunFolder) -> str:
    """Write the page of a run whose other files are written; of a loaded one, which has no data, the page it had."""
    if trained.data is None and trained.folder is not None and (trained.folder / "report.html").exists():
        return (trained.folder / "report.html").read_text(encoding="utf-8")
    return html.page(run_document(trained, files))


def run_document(trained: Trained, files: RunFolder) -> Document:
    """Write the document of a run."""
    data = None if trained.data is None else replace(trained.data, preprocessing=trained.facts.preprocessing)
    outputs, shown = None, None
    predicts = not trained.adversarial and trained.facts.task != "translation"
    if predicts and data is not None and (held_out := data.held_out) is not None and trained.result:
        kept, rows, most = trained.held_out_outputs, len(held_out), trained.rows_at_a_time
        if rows > most:
            held_out = held_out.take(np.linspace(0, rows - 1, most).astype(int))
            data = replace(data, held_out=held_out)
            shown = (
                f"{most:,} of the {rows:,} held-out rows, taken evenly: the outputs of all would need too much memory."
            )
        elif rows < data.held_out_rows:
            shown = f"{rows:,} of the {data.held_out_rows:,} held-out rows, drawn by chance: those that are in memory."
        outputs = trained.outputs_of_rows(held_out.x) if kept is None else kept
    constant = {} if outputs is None else constant_metrics(trained, data, outputs)
    findings, compared = files.read_verdict("findings"), files.read_verdict("findings", "compared")
    proof = files.read_verdict("proof")
    return Document(
        trained.facts.name,
        verdict(trained, constant, findings),
        _results(trained, constant),
        _by_name(trained),
        Section("Curves", *curves(trained)),
        None if findings is None else findings_section(findings, compared),
        None if proof is None else proof_section(proof),
        None if shown is None else Section("Rows shown below", shown),
        *_of_task(trained, data, outputs),
        *_networks(trained, data),
        Section(
            "Settings, data and files",
            Details(
                "Hyperparameters",
                facts((words(name), _plain(value)) for name, value in trained.experiment.to_dict().items()),
                Bullets([f"Chosen: {choice}" for choice in trained.notes.choices]) if trained.notes.choices else None,
            ),
            Details("Data", _data(files.read_json("manifest.json")["data"])),
            Details("How to repeat it", *_again(files)),
            Details("Files", Table((), [(Code(name), what) for name, what in FILES])),
        ),
    )


def verdict(
    trained: Trained, constant: Mapping[str, float], findings: Sequence[Mapping[str, Any]] | None = None
) -> Note:
    """Write the result against the constant predictor's, and the doctor's findings; None where it was not asked."""
    notes, blocks = trained.notes, [_story(trained, constant)]
    blocks += [f"Before the first step: {problem}" for problem in notes.problems]
    if notes.failure:
        blocks.append(f"Ended by: {notes.failure}")
    if findings:
        causes = ", ".join(f"{one['label'].replace('_', ' ')} ({one['probability']:.0%})" for one in findings[:3])
        blocks.append(f"The doctor suspects: {causes}.")
    elif findings is not None:
        blocks.append("The doctor found nothing.")
    elif notes.suspicion:
        blocks.append(f"The doctor suspects: {notes.suspicion} (by the records alone; a diagnosis makes sure).")
    return Note(_kind(trained, constant, findings), *blocks)


def _kind(trained: Trained, constant: Mapping[str, float], findings: Sequence[Mapping[str, Any]] | None) -> Severity:
    severities = {one["severity"] for one in findings or ()}
    failed = trained.stopped == "diverged" or bool(trained.not_finite)
    if failed or "problem" in severities or trained.result.get("loss", -np.inf) >= constant.get("loss", np.inf):
        return "problem"
    if "warning" in severities or trained.notes.problems or (findings is None and trained.notes.suspicion):
        return "warning"
    return "good" if constant else "note"


def _story(trained: Trained, constant: Mapping[str, float]) -> str:
    if trained.adversarial:
        return f"{trained.ending}. “loss” is the critic's, without its penalty."
    if not trained.result:
        return f"{trained.ending}; no held-out rows to measure on."
    name = trained.program.metric.name
    names = [name] if name in trained.result else [one for one in trained.result if one != "loss"]
    if trained.facts.heads:
        names = [one for one in trained.result if not one.endswith("loss")]
    metrics = ", ".join(f"{words(one)} {number(trained.result[one])}" for one in names)
    text = f"{metrics[:1].upper()}{metrics[1:]} on {trained.facts.held_out_rows:,} held-out rows"
    if name in constant:
        text += f"; always predicting the same gives {number(constant[name])}"
    scaled = describe_targets(trained.facts.target_preprocessing, tuple(trained.facts.heads))
    return f"{text}. {trained.ending}." + (f" {scaled[0].upper()}{scaled[1:]}." if scaled else "")


def _results(trained: Trained, constant: Mapping[str, float]) -> Block:
    result, epochs = trained.summed_up, trained.history.epochs
    if not result:
        return None
    columns: dict[str, Mapping[str, float]] = {"at the end": result}
    if not trained.adversarial:  # of a GAN they are the metrics of the last epoch already
        last = {name: float(epochs[name][-1]) for name in result if len(epochs.get(name, ()))}
        columns = {"held-out rows": result, "training rows, last epoch": last}
    if constant:
        columns["constant predictor, held-out rows"] = constant
    table = Table(["", *columns], [[words(name), *(of.get(name) for of in columns.values())] for name in result])
    return Section("Result", table, _improvement(trained.facts.task, result.get("loss"), constant.get("loss")))


def _by_name(trained: Trained) -> Block:
    """The metrics asked for of each class, label or output."""
    asked = {"": trained.metrics} | {f"{name} ": trained.output(name).metrics for name in trained.facts.heads}
    each: dict[str, dict[str, float]] = {
        f"{prefix}{metric.label_of_one}": {} for prefix, metrics in asked.items() for metric in metrics
    }
    for name in trained.result.keys() - trained.summed_up.keys():
        head, _, of = name.partition(" of ")
        each[head][of] = trained.result[name]
    heads = [head for head, values in each.items() if values]
    if not heads:
        return None
    parts = (name.partition(" of ") for name in trained.result)
    names = list(dict.fromkeys(of for head, _, of in parts if head in heads))
    what = {"regression": "output", "multilabel": "label"}.get(trained.facts.task, "class")
    rows = [(name, *(each[head].get(name) for head in heads)) for name in names]
    return Section(f"Metrics of each {what}", Table((what, *map(words, heads)), rows))


def _improvement(task: str, loss: float | None, of_constant: float | None) -> Block:
    if loss is None or not of_constant:
        return None
    fraction = 1 - loss / of_constant
    targets = "training inputs" if task == "reconstruction" else "training targets"
    most_frequent = ": the frequencies of the classes, so it always predicts the most frequent one"
    return (
        f"The constant predictor gives every row the mean of the {targets}"
        f"{most_frequent if task in ('binary', 'multiclass') else ''}. "
        + (
            f"The network's loss is {fraction:.1%} smaller."
            if fraction > 0
            else "The network's loss is no smaller: so far it has learnt nothing that helps with new rows."
        )
    )


def constant_metrics(trained: Trained, data: Any, outputs: Any) -> dict[str, float]:
    """Compute loss and metric of the constant predictor; nothing for an answer at each step of a sequence."""
    if trained.facts.heads:
        constant: dict[str, float] = {"loss": 0.0}
        for name, array, weight in zip(trained.facts.heads, outputs, trained.program.loss.weights, strict=True):
            own = constant_metrics(trained.output(name), data.of_output(name), array)
            if not own:
                return {}
            constant["loss"] += weight * own["loss"]
            constant |= {f"{name} {metric}": value for metric, value in own.items()}
        return constant
    if trained.facts.task == "reconstruction":
        mean = data.preprocessing.apply_numpy(data.train.x.mean(axis=0, dtype=float))
    elif trained.facts.task in AS_ROWS:
        y = data.train.y[scored_steps(data.train.y, trained.mask_of(data.train.x))]
        mean = constant_output(trained.program.loss, y, trained.facts.outputs)
    elif outputs.ndim != 2:
        return {}
    else:
        mean = constant_output(trained.program.loss, data.train.y, trained.facts.outputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # outputs that are all alike leave some metrics undefined
        return trained.metrics_of(np.broadcast_to(mean, outputs.shape), data.held_out)


def constant_output(loss: Loss, target: np.ndarray, outputs: int) -> np.ndarray:
    """The output that is best for all rows alike: the mean of the targets under squared error and cross-entropy.

    Of a hinge it is the margin 1 of the more frequent answer, of its square the mean of −1 and 1.

    Example:
        >>> from pellucid.functions.losses import SparseCategoricalCrossEntropy
        >>> constant_output(SparseCategoricalCrossEntropy(), np.array([0, 1, 1, 1]), 2).tolist()
        [0.25, 0.75]
    """
    if target.ndim == 1:
        mean = np.bincount(target, minlength=outputs) / len(target)
    else:
        mean = np.nanmean(target, axis=0, dtype=float)  # an output without any known target is refused
    tiny = np.finfo(np.float32).eps
    if loss.activation is Softmax:
        mean = np.log(np.maximum(mean, tiny))
    elif loss.reads == "margins":
        if isinstance(loss, Hinge):
            mean = mean >= 0.5
        mean = 2.0 * mean - 1
    elif loss.activation is Sigmoid:
        share = np.clip(mean, tiny, 1 - tiny)
        mean = np.log(share / (1 - share))
    return mean.astype(np.float32)


def _of_task(trained: Trained, data: Any, outputs: Any) -> list[Block]:
    """What the network does with the rows of its data, as fits its task."""
    if trained.facts.heads and data is not None:
        arrays = outputs or (None,) * len(trained.facts.heads)
        return [
            Section(f"Output {name}", *_of_task(trained.output(name), data.of_output(name), array))
            for name, array in zip(trained.facts.heads, arrays, strict=True)
            if array is not None
        ]
    shape, task = trained.facts.input_shape, trained.facts.task
    if data is None:
        return []
    if trained.adversarial:
        real = data.train.x[: 64 if is_picture(shape) else 500]
        generated = sample(trained, len(real))
        return [samples_section(generated, real, (score(trained, generated), score(trained, real)))]
    if task == "translation":
        part = data.held_out or data.train
        return [_translations(trained, part.pairs)]
    reads = trained.program.loss.reads
    boundary = None
    if shape == (2,) and task in ("binary", "multiclass"):
        boundary = decision_boundary(data, lambda x: probabilities_of(trained.outputs(x), reads))
    if outputs is None:
        return [Section("Predictions", boundary)]
    if task == "transcription" and data.held_out is not None:
        return [_transcriptions(trained, data.held_out, outputs)]
    if task in AS_ROWS and data.held_out is not None:
        real = scored_steps(data.held_out.y, trained.mask_of(data.held_out.x))
        data, outputs = steps_as_rows(data, real), outputs[real]
        boundary = Paragraph("Each step that counts is taken for a row.", kind="quiet")
    return prediction_sections(data, outputs, reads, boundary)


def _translations(trained: Trained, pairs: np.ndarray) -> Section:
    """Held-out sentences with their translations, and for some the words that the decoder attended to."""
    sentences = list(dict.fromkeys(pairs[:, 0]))[:SENTENCES]
    wanted = dict(pairs[::-1].tolist())
    rows = list(zip(sentences, (wanted[one] for one in sentences), translate(trained, sentences), strict=True))
    charts = [
        HeatMap(f"attention for “{sentence}”", weights, written, read, "read", "written")
        for sentence in sentences[:2]
        for read, written, weights in [align(trained, sentence)]
    ]
    table = Table(("sentence", "a right translation", "the network's translation"), rows)
    return Section("Translations", table, Columns(*charts))


def _transcriptions(trained: Trained, part: Part, outputs: np.ndarray) -> Section:
    """Held-out sequences of labels beside those that are read, the worst first."""
    real = trained.mask_of(part.x)
    if not np.isfinite(outputs if real is None else outputs[real]).all():
        return Section("Predictions", "Some outputs are not finite.")
    read = trained.program.loss.decode(outputs, real)
    edits = edit_distances(read, part.y)
    worst = np.argsort(-edits, kind="stable")[:SEQUENCES]
    columns = (trained.facts.written(numbers[worst]) for numbers in (part.y, read))
    table = Table(("true", "read", "labels to correct"), list(zip(*columns, edits[worst].tolist(), strict=True)))
    wrong = int((edits > 0).sum())
    return Section("Predictions", f"{wrong:,} of {len(part):,} held-out sequences are read with a mistake.", table)


def _networks(trained: Trained, data: Any) -> list[Block]:
    blocks: list[Block] = []
    classes = trained.facts.classes
    outputs = classes if trained.facts.task == "multiclass" else classes[1:]
    several = bool(trained.facts.inputs) or trained.facts.task == "translation"
    shape = () if several else trained.facts.input_shape
    for name, network in trained.networks.items():
        of, prefix = (f" of the {name}", f"{name}/") if name else ("", "")
        params = trained.params[name] if name else trained.params
        known = (None if several else data, outputs) if not name else (None, ())
        blocks += [
            Section(f"Network{of}", *architecture(network, params, trained.summaries[name], *known)),
            Section(f"Weights{of}", *weight_blocks(network, params, shape)),
            Section(f"Activations and gradients{of}", *layer_flow(trained.history, prefix)),
        ]
    return blocks


def _data(of: Mapping[str, Any]) -> Block:
    classes = of.get("classes") or ()
    shown: dict[str, Inline] = {
        "name": of["name"],
        "task": of["task"],
        "classes": f"{len(classes)}: {', '.join(classes[:20])}{' …' * (len(classes) > 20)}" if classes else None,
        "training rows": of["rows"],
        "held-out rows": of["held_out_rows"],
        "shape of an example": _shapes(of),
        "SHA-256 of all arrays": Code(of["fingerprint"]),
    }
    return facts(shown.items())


def _shapes(of: Mapping[str, Any]) -> str:
    names = of.get("inputs", ())
    if not names:
        return "×".join(map(str, of["input_shape"])) or "1"
    shapes = zip(names, of["input_shape"], strict=True)
    return ", ".join(f"{name} {'×'.join(map(str, shape)) or '1'}" for name, shape in shapes)


def _again(files: RunFolder) -> list[Block]:
    manifest = files.read_json("manifest.json")
    versions = dict(manifest["versions"]) | {"machine": manifest["platform"]}
    return [
        Paragraph(
            "In the folder of this run: ",
            Code("pellucid train experiment.toml"),
            ". The same versions on the same kind of machine give the same numbers, bit for bit.",
        ),
        *_resumed(manifest),
        *_changed(manifest),
        Listing((files.path / "experiment.toml").read_text(encoding="utf-8")),
        Table(("made with", "version"), list(versions.items())),
    ]


def _resumed(manifest: Mapping[str, Any]) -> list[Block]:
    """What stands in the way of repeating a run from the beginning: settings that changed on its way."""
    rows = [
        [change["epoch"], change["step"], words(name), *(_plain(values[when]) for when in ("before", "after"))]
        for change in manifest.get("resumed", ())
        for name, values in change["changed"].items()
        if name not in LATER
    ]
    if not rows:
        return []
    return [
        "It was resumed with other settings, of which these are the last: repeated from the beginning it is another "
        "training.",
        Table(("after epoch", "after step", "setting", "before", "from there on"), rows),
    ]


def _changed(manifest: Mapping[str, Any]) -> list[Block]:
    """What callbacks did, which settings alone do not repeat."""
    changes = manifest.get("changes", ())
    if not changes:
        return []
    rows = [
        [change["epoch"], change["step"], Code(change["callback"])]
        + ([f"ended it: {change['stop']}", "", ""] if "stop" in change else [Code(change["setting"]), *_ends(change)])
        for change in changes
    ]
    return [
        "Callbacks acted on it: it is repeated with them, the settings alone are another training.",
        Table(("after epoch", "after step", "callback", "changed", "before", "from there on"), rows),
    ]


def _ends(change: Mapping[str, Any]) -> list[Any]:
    return [number(change[when]) for when in ("before", "after")]


def _plain(value: Any) -> Inline:
    return value if isinstance(value, (str, int, float)) else Code(json.dumps(value))
