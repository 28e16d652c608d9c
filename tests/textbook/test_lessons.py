"""Lessons: one law over all of them, a few run for real, the command line from end to end."""

import doctest
import functools
import itertools
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import InvalidValue, UnknownName
from pellucid.report import markdown
from pellucid_textbook.lessons import LessonResult, Quantity, claim, experiment, find_lesson
from pellucid_textbook.lessons.pages import index_document, read_result
from pellucid_textbook.texts import read_texts

CLAIMS = 30
DOCS = Path(__file__).parents[2] / "docs"
LESSONS = pel.textbook.list_lessons()


def names_of(lessons):
    return [lesson.name for lesson in lessons]


def test_every_claim_has_one_lesson():
    assert [lesson.number for lesson in LESSONS] == list(range(1, CLAIMS + 1))
    assert names_of(LESSONS) == list(read_texts("lessons/lessons"))
    for name in ("xor", "no-such-texts"):
        with pytest.raises(ValueError, match=name):
            experiment(name)


def test_lessons_come_after_what_they_build_on():
    assert [part for part, _ in itertools.groupby(lesson.part for lesson in LESSONS)] == list(
        dict.fromkeys(lesson.part for lesson in LESSONS)
    )
    for i, lesson in enumerate(LESSONS):
        assert set(lesson.after) <= set(names_of(LESSONS[:i])), lesson.name
        assert lesson.after or i < 2


@pytest.mark.parametrize("lesson", LESSONS, ids=names_of(LESSONS))
def test_exercises_come_out_as_they_say(lesson):
    assert 2 <= len(lesson.exercises) <= 3
    python, commands = "", []
    for exercise in lesson.exercises:
        assert exercise.task.endswith((".", "?"))
        assert exercise.expect.endswith(".")
        if ">>>" in exercise.run:
            python += exercise.run + "\n"
        else:
            commands += exercise.run.split("\n")
    names = "import jax, jax.numpy as jnp, numpy as np, pellucid as pel"
    test = doctest.DocTestParser().get_doctest(f">>> {names}\n{python}", {}, lesson.name, None, 0)
    report: list[str] = []
    failed, _ = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert not failed, "".join(report)
    for words in map(shlex.split, filter(None, commands)):
        assert words[0] == "pellucid"
        command = main.commands[words[1]]
        context = command.make_context(words[1], words[2:], resilient_parsing=False)
        if words[1] == "show":
            assert pel.textbook.show(context.params["name"])
        if words[1] == "lesson" and "-by-hand" not in words[2]:
            assert find_lesson(words[2])


@pytest.mark.parametrize("lesson", LESSONS, ids=names_of(LESSONS))
def test_a_lesson_says_what_it_tests_and_its_rule_can_come_out_both_ways(lesson):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", lesson.name)
    assert lesson.claim.endswith(".")
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
    assert all(len(quantity.values) >= 5 for quantity in result.quantities.values())
    assert result.verdict in (DOCS / "lessons" / f"{lesson.name}.md").read_text()
    for condition in lesson.rule:
        measured = result.quantities[condition.quantity]
        # The verdict follows the quantities: with these on the other side of their bound it is the other.
        turned = tuple(2 * condition.bound - value for value in measured.values)
        turned_quantities = result.quantities | {condition.quantity: Quantity(condition.quantity, turned)}
        if condition.is_met(result.quantities):
            assert not lesson.holds(turned_quantities)


def test_the_published_index_is_that_of_the_results():
    results = [read_result(DOCS / "lessons" / "results" / f"{lesson.name}.json") for lesson in LESSONS]
    assert (DOCS / "lessons" / "index.md").read_text() == markdown.text(index_document(results, "md"))


@pytest.mark.parametrize("name", ["softmax", "sparse-labels"])
def test_a_lesson_gives_the_same_figures_for_the_same_seeds(name):
    first, second = (pel.textbook.lesson(name, seeds=2, seed=3) for _ in range(2))
    assert first.quantities == second.quantities
    assert first.seeds == (3, 4)
    assert first.verdict == "holds"
    again = msgspec.json.decode(msgspec.json.encode(first), type=LessonResult)
    assert again == first
    assert again.charts
    assert again.figure().axes
    text = " ".join(str(first).split())
    assert all(line in text for line in (first.lesson.claim, str(first.lesson.rule[0]), "Verdict: holds."))


def test_a_claim_that_fails_says_so():
    result = pel.textbook.lesson("sparse-labels", seeds=2)
    lesson = result.lesson
    reversed_rule = tuple(replace(condition, side="above") for condition in lesson.rule)
    assert not replace(lesson, rule=reversed_rule).holds(result.quantities)


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
    out = runner.invoke(main, ["lesson", "8", "--seeds", "2", "--json", "--figure", str(figure)])
    assert out.exit_code == 0
    result = json.loads(out.stdout)
    assert result["verdict"] == "holds"
    assert set(result["quantities"]["largest distance of a sum from 1"]) == {"mean", "low", "high", "unit", "values"}
    assert figure.read_text().startswith("<svg xmlns")
    assert runner.invoke(main, ["lesson", "softmax", "--all"]).exit_code == 2
    assert runner.invoke(main, ["lesson", "soft"]).exit_code == 2
    assert runner.invoke(main, ["lesson", "softmax", "--figure", "softmax.doc"]).exit_code == 2


def test_all_lessons_are_written_as_pages_and_results_are_reused(tmp_path, monkeypatch):
    kept = {name: lesson for name, lesson in claim._LESSONS.items() if name in ("softmax", "sparse-labels")}
    monkeypatch.setattr(claim, "_LESSONS", kept)
    command = ["lesson", "--all", "--seeds", "2", "--output", str(tmp_path)]
    assert CliRunner().invoke(main, command).exit_code == 0
    page = (tmp_path / "softmax.html").read_text()
    assert "Verdict: holds." in page
    assert "<svg" in page
    assert "http" not in page
    assert 'href="sparse-labels.html"' in (tmp_path / "index.html").read_text()

    @functools.wraps(kept["softmax"].measure)  # keeps the module, so the lesson looks unchanged
    def fail(seeds):
        raise AssertionError("was run again")

    kept["softmax"] = replace(kept["softmax"], measure=fail)
    again = CliRunner().invoke(main, ["lesson", "--all", "--markdown", *command[2:]])
    assert again.exit_code == 0, again.output
    assert "**Verdict: holds.**" in (tmp_path / "softmax.md").read_text()
    assert (tmp_path / "softmax.svg").read_text().startswith("<svg xmlns")
