"""The page that every run ends with: its result, how it came about, what the network is, and how to make it again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pellucid.report.findings import findings_section
from pellucid.report.flow import curves, flow
from pellucid.report.page import Content, Html, code, code_block, contents, facts, page, paragraph, section, table
from pellucid.report.proof import proof_section
from pellucid.report.weights import Trained, architecture, weight_pictures
from pellucid.training import History

LATER = ("epochs", "patience")
"""Settings that end a training later and change nothing before: with them from the beginning it is the same."""


@dataclass(frozen=True)
class RunPage:
    """What a page says of a run.

    Args:
        title: what was trained on what.
        story: what came of it, in a sentence.
        settings: the experiment.
        toml: the experiment as ``experiment.toml`` holds it.
        manifest: versions and facts of the data, as ``manifest.json`` holds them.
        history: the measurements.
        networks: what was trained, by its name: one without a name, or several.
        result: figures at the end.
        constant: the same figures of always predicting the same, where that can be said.
        watched: what the rows are called that were evaluated after each epoch.
        judged: sections on the predictions.
        findings: what the doctor found, as plain data, the likeliest first; None where it was not asked.
        compared: how the network does beside other methods, in a sentence; None where it was not asked.
        proof: what was tried to fix it, as plain data; None where nothing was.
        notes: what was said of the training while it was made, each with its kind.
    """

    title: str
    story: str
    settings: Mapping[str, Any]
    toml: str
    manifest: Mapping[str, Any]
    history: History
    networks: Mapping[str, Trained]
    result: Mapping[str, float]
    constant: Mapping[str, float] = field(default_factory=dict)
    watched: str = "held out"
    judged: Html = Html("")
    findings: Sequence[Mapping[str, Any]] | None = None
    compared: str | None = None
    proof: Mapping[str, Any] | None = None
    notes: Sequence[tuple[str, str]] = ()

    def render(self) -> str:
        """The page as HTML."""
        sections = [section("Result", paragraph(self.story, kind="lead"), self._result())]
        if self.notes:
            sections.append(section("Notes", facts(self.notes)))
        if self.findings is not None:
            sections.append(findings_section(self.findings, self.compared))
        if self.proof is not None:
            sections.append(proof_section(self.proof))
        sections.append(section("Curves", curves(self.history, self.watched)))
        if self.judged:
            sections.append(self.judged)
        for name, trained in self.networks.items():
            of = f" of the {name}" if name else ""
            sections += [
                section(f"Network{of}", architecture(trained)),
                section(f"Weights{of}", weight_pictures(trained)),
                section(f"Activations and gradients{of}", flow(self.history, f"{name}/" if name else "")),
            ]
        sections += [
            section("Hyperparameters", facts(_settings(self.settings))),
            section("Data", self._data()),
            section("How to repeat it", self._again()),
        ]
        return page(self.title, _contents(sections), *sections)

    def _result(self) -> Html:
        if not self.result:
            return paragraph("There were no held-out rows to measure on.")
        epochs = self.history.epochs
        last = {name: float(epochs[name][-1]) for name in self.result if len(epochs["epoch"])}
        columns: dict[str, Mapping[str, float]] = {"at the end": self.result}
        if "" in self.networks:  # of a GAN they are the figures of the last epoch already
            columns = {"held-out rows": self.result, "training rows, last epoch": last}
        if self.constant:
            columns["constant predictor, held-out rows"] = self.constant
        rows = [[_words(name), *(of.get(name) for of in columns.values())] for name in self.result]
        return Html(table(["", *columns], rows) + self._against_constant())

    def _against_constant(self) -> Html:
        """How much of the constant predictor's loss is left."""
        loss, of_constant = self.result.get("loss"), self.constant.get("loss")
        if loss is None or not of_constant:
            return Html("")
        share = 1 - loss / of_constant
        return paragraph(
            "The constant predictor gives every row the mean of the training targets; for classes these are their "
            "shares, so that it always says the most frequent one. ",
            f"The network's loss is {share:.1%} smaller."
            if share > 0
            else "The network's loss is no smaller: so far it has learnt nothing that helps with new rows.",
        )

    def _data(self) -> Html:
        of = dict(self.manifest["data"])
        classes = of.get("classes") or ()
        shown: dict[str, Content] = {
            "name": of["name"],
            "task": of["task"],
            "classes": f"{len(classes)}: {', '.join(classes[:20])}{' …' * (len(classes) > 20)}" if classes else None,
            "training rows": of["rows"],
            "held-out rows": of["held_out_rows"],
            "shape of an example": "×".join(map(str, of["input_shape"])) or "1",
            "SHA-256 of all arrays": code(of["fingerprint"]),
        }
        return facts((name, value) for name, value in shown.items() if value is not None)

    def _again(self) -> Html:
        versions = dict(self.manifest["versions"]) | {"machine": self.manifest["platform"]}
        return Html(
            paragraph(
                "In the folder of this run: ",
                code("pellucid train experiment.toml"),
                ". The same versions on the same kind of machine give the same numbers, bit for bit.",
            )
            + self._resumed()
            + code_block(self.toml)
            + table(("made with", "version"), list(versions.items()))
        )

    def _resumed(self) -> Html:
        """What stands in the way of repeating a run from the beginning: settings that changed on its way."""
        rows = [
            [change["epoch"], change["step"], _words(name), *(_plain(values[when]) for when in ("before", "after"))]
            for change in self.manifest.get("resumed", ())
            for name, values in change["changed"].items()
            if name not in LATER
        ]
        if not rows:
            return Html("")
        return Html(
            paragraph(
                "It was resumed with other settings, of which these are the last: repeated from the beginning it is "
                "another training."
            )
            + table(("after epoch", "after step", "setting", "before", "from there on"), rows)
        )


def _plain(value: Any) -> Content:
    return value if isinstance(value, (str, int, float)) else code(json.dumps(value))


def _contents(sections: list[Html]) -> Html:
    """Links to all headings of these sections."""
    headings = (piece for one in sections for piece in one.split("<h2 ")[1:])
    titles = [heading.split(">", 1)[1].split("</h2>", 1)[0] for heading in headings]
    return contents(titles)


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, Content]]:
    """Settings as rows: tables and lists as the code that a person would write."""
    return [(_words(name), _plain(value)) for name, value in settings.items()]


def _words(name: str) -> str:
    return name.replace("_", " ")
