"""Findings and proofs on a page, from plain data; a page for each finding."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import pellucid.doctor  # noqa: F401
from pellucid.doctor import Finding
from pellucid.doctor.rule import CAUSES
from pellucid.report import html
from pellucid.report.doctor import findings_section, paired_differences, proof_section
from pellucid.report.document import Document
from pellucid.runs.folder import RunFolder

FINDINGS = Path(__file__).parents[2] / "docs" / "findings"


def candidate(change, scores, **more):
    return {
        "remedy": change,
        "change": change,
        "mean": float(np.mean(list(scores.values()))),
        "seeds": len(scores),
        "scores": scores,
        "proven": False,
        **more,
    }


def a_proof():
    original = candidate("the original", {"0": 0.1, "1000": 0.2, "1001": 0.1, "1002": 0.15})
    better = {"0": 0.7, "1000": 0.9, "1001": 0.85, "1002": 0.8}
    found = {"difference": 0.7, "interval": [0.6, 0.8], "p": 0.004, "d": None, "count": 3, "proven": True}
    best = candidate("rate < 0.1", better, **found)
    random = candidate("batch 32", better, **(found | {"difference": 0.01, "p": 0.5, "d": 0.2, "proven": False}))
    return {
        "original": original,
        "best": best,
        "tried": [best, candidate("biases", {"0": 0.1})],
        "random": random,
        "trainings": 9,
        "seconds": 3.2,
    }


def written(section):
    text = html.page(Document("run", section))
    body = text[text.index("<main") : text.index("</main>") + len("</main>")]
    ElementTree.fromstring(body)
    return body


def test_findings_are_sound_markup_with_their_numbers_and_their_page():
    found = Finding("dead_relu", "problem", 0.9, {"dead < units": 7}, "7 of 8 units are 0 & stay so")
    text = written(findings_section([found.to_dict()]))
    for words in ("dead relu", "90%", "problem", "dead &lt; units", "7 of 8 units are 0 &amp; stay so.", "leaky relu"):
        assert words in text
    assert "pellucid show dead_relu" in text
    assert "Nothing was found" in written(findings_section([]))


def test_a_proof_shows_what_helped_what_did_not_and_chance():
    proof = a_proof()
    text = written(proof_section(proof))
    for words in ("What helps: rate &lt; 0.1", "+0.600 to +0.800", "∞", "dropped after 1 seed", "random: batch 32"):
        assert words in text
    assert paired_differences(proof["best"], proof["original"]) == pytest.approx([0.7, 0.75, 0.65])
    assert "Nothing tried beats the original" in written(proof_section(proof | {"best": None}))


def test_a_verdict_is_that_of_the_weights_it_was_made_of(tmp_path):
    files = RunFolder(tmp_path)
    assert files.read_verdict("findings") is None
    files.write_weights({"w": np.ones(2)})
    files.write_verdict("findings", [1])
    assert files.read_verdict("findings") == [1]
    files.write_weights({"w": np.zeros(2)})
    assert files.read_verdict("findings") is None


@pytest.mark.parametrize("label", CAUSES)
def test_every_finding_has_a_page(label):
    text = (FINDINGS / f"{label}.md").read_text()
    for heading in ("## How it is detected", "## What looks alike", "## What may help"):
        assert heading in text
    assert all(remedy in text for remedy in CAUSES[label].remedies), "write the pages again"
    assert f"({label}.md)" in (FINDINGS / "index.md").read_text()
