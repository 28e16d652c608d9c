"""Lessons: one law over all of them, a few run for real, the command line from end to end."""

import functools
import json
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import InvalidValue, UnknownName
from pellucid_textbook.lessons import LessonResult, Quantity, claims
from pellucid_textbook.lessons.claims import CLAIMS
from pellucid_textbook.lessons.pages import markdown_index, read_result

DOCS = Path(__file__).parents[2] / "docs"
LESSONS = pel.textbook.list_lessons()


def names_of(lessons):
    return [lesson.name for lesson in lessons]


def test_every_claim_has_one_lesson():
    assert [lesson.number for lesson in LESSONS] == list(range(1, CLAIMS + 1))
    assert len(set(names_of(LESSONS))) == CLAIMS
    with pytest.raises(ValueError, match="taken"):
        claims.claim(1, "new", "", items=(), reason="", experiment="", rule=())(lambda seeds: None)


@pytest.mark.parametrize("lesson", LESSONS, ids=names_of(LESSONS))
def test_a_lesson_says_what_it_tests_and_its_rule_can_come_out_both_ways(lesson):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", lesson.name)
    assert lesson.claim.endswith(".")
    assert lesson.items
    assert all(re.fullmatch(r"[1-8]\.\d+", item) for item in lesson.items)
    assert len(lesson.reason) > 40
    assert len(lesson.experiment) > 60
    assert lesson.measure.__doc__
    assert lesson.rule

    def beyond(condition, sign):
        """A quantity well on the right side of the bound (sign 1) or on the wrong one (sign −1)."""
        way = sign * (1 if condition.side == "above" else -1)
        return Quantity(condition.quantity, tuple(condition.bound + way * (1 + i / 100) for i in range(5)))

    for condition in lesson.rule:
        met = {condition.quantity: beyond(condition, 1)}
        assert condition.is_met(met)
        assert not condition.is_met({condition.quantity: beyond(condition, -1)})
        straddling = Quantity(condition.quantity, (condition.bound - 1, condition.bound + 1))
        assert not condition.is_met({condition.quantity: straddling})
        assert str(condition) in lesson.rule_text


@pytest.mark.parametrize("lesson", LESSONS, ids=names_of(LESSONS))
def test_the_published_result_has_the_figures_of_its_rule(lesson):
    result = read_result(DOCS / "lessons" / "results" / f"{lesson.name}.json")
    assert result is not None
    assert len(result.seeds) >= 5
    assert all(len(quantity.values) >= 5 for quantity in result.quantities)
    assert result.verdict in (DOCS / "lessons" / f"{lesson.name}.md").read_text()
    for condition in lesson.rule:
        measured = result.figures[condition.quantity]
        # The verdict follows the figures: with these turned to the other side of their bound it is the other.
        turned = tuple(2 * condition.bound - value for value in measured.values)
        figures = result.figures | {condition.quantity: Quantity(condition.quantity, turned)}
        if condition.is_met(result.figures):
            assert not lesson.holds(figures)


def test_the_published_index_is_that_of_the_results():
    results = [read_result(DOCS / "lessons" / "results" / f"{lesson.name}.json") for lesson in LESSONS]
    assert (DOCS / "lessons" / "index.md").read_text() == markdown_index(results)


@pytest.mark.parametrize("name", ["softmax", "sparse-labels"])
def test_a_lesson_gives_the_same_figures_for_the_same_seeds(name):
    first, second = (pel.textbook.lesson(name, seeds=2, seed=3) for _ in range(2))
    assert first.quantities == second.quantities
    assert first.seeds == (3, 4)
    assert first.verdict == "holds"
    again = msgspec.json.decode(msgspec.json.encode(first), type=LessonResult)
    assert again == first
    assert again.figure().axes[0].get_title()
    assert all(line in str(first) for line in (first.lesson.claim, str(first.lesson.rule[0]), "→ holds"))


def test_a_claim_that_fails_says_so():
    result = pel.textbook.lesson("sparse-labels", seeds=2)
    lesson = result.lesson
    reversed_rule = tuple(replace(condition, side="above") for condition in lesson.rule)
    assert not replace(lesson, rule=reversed_rule).holds(result.figures)


def test_slips_are_refused_with_advice():
    with pytest.raises(UnknownName, match="Did you mean 'softmax'"):
        pel.textbook.lesson("softmx")
    with pytest.raises(InvalidValue, match="at least 2"):
        pel.textbook.lesson("softmax", seeds=1)
    with pytest.raises(InvalidValue, match="finite"):
        Quantity("loss", (1.0, float("nan")))


def test_the_command_line_lists_runs_and_draws(tmp_path):
    runner = CliRunner()
    listed = json.loads(runner.invoke(main, ["lesson", "--json"]).stdout)
    assert [entry["name"] for entry in listed] == names_of(LESSONS)
    figure = tmp_path / "softmax.svg"
    out = runner.invoke(main, ["lesson", "7", "--seeds", "2", "--json", "--figure", str(figure)])
    assert out.exit_code == 0
    result = json.loads(out.stdout)
    assert result["verdict"] == "holds"
    assert set(result["figures"]["greatest distance of a sum from 1"]) == {"mean", "low", "high", "unit", "values"}
    assert figure.read_text().startswith("<?xml")
    assert runner.invoke(main, ["lesson", "softmax", "--all"]).exit_code == 2
    assert runner.invoke(main, ["lesson", "soft"]).exit_code == 2
    assert runner.invoke(main, ["lesson", "softmax", "--figure", "softmax.doc"]).exit_code == 2


def test_all_lessons_are_written_as_pages_and_results_are_reused(tmp_path, monkeypatch):
    kept = {name: lesson for name, lesson in claims._LESSONS.items() if name in ("softmax", "sparse-labels")}
    monkeypatch.setattr(claims, "_LESSONS", kept)
    command = ["lesson", "--all", "--seeds", "2", "--output", str(tmp_path)]
    assert CliRunner().invoke(main, command).exit_code == 0
    page = (tmp_path / "softmax.html").read_text()
    assert "Verdict: holds." in page
    assert "data:image/png;base64," in page
    assert "http" not in page
    assert 'href="sparse-labels.html"' in (tmp_path / "index.html").read_text()

    @functools.wraps(kept["softmax"].measure)  # keeps the module, so the lesson looks unchanged
    def fail(seeds):
        raise AssertionError("was run again")

    kept["softmax"] = replace(kept["softmax"], measure=fail)
    again = CliRunner().invoke(main, ["lesson", "--all", "--markdown", *command[2:]])
    assert again.exit_code == 0, again.output
    assert "**Verdict: holds.**" in (tmp_path / "softmax.md").read_text()
    assert (tmp_path / "softmax.png").read_bytes().startswith(b"\x89PNG")
