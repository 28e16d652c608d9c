"""What holds for every example: a page, bars that its results meet, figures that come from them."""

import re

import pytest
from click.testing import CliRunner

from examples import harness
from examples.__main__ import main

NAMES = harness.names()
MEASURED = [name for name in NAMES if harness.results(name)["seeds"]]
PAGES = {path.stem for path in harness.GALLERY.glob("*.md")} - {"index"}


@pytest.mark.parametrize("name", MEASURED)
def test_the_page_shows_what_was_measured(name, tmp_path, monkeypatch):
    page = harness.GALLERY / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {harness.title(harness.load(name))}\n")
    assert {"<!-- scores -->", "## For real use"} <= set(text.split("\n"))
    assert "<!-- output: doctor" in text
    assert f"$ python -m examples {name}\n" in text
    copy = tmp_path / page.name
    copy.write_text(text, encoding="utf-8")
    monkeypatch.setattr(harness, "GALLERY", tmp_path)
    harness.render(name)
    assert copy.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", MEASURED)
def test_the_pictures_of_the_page_are_there_and_light(name):
    text = (harness.GALLERY / f"{name}.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert pictures
    for picture in pictures:
        assert 0 < (harness.GALLERY / picture).stat().st_size < 1_000_000
    drawn = {path.name for path in harness.GALLERY.glob(f"{name}-*") if path.suffix != ".md"}
    assert drawn == set(pictures)


@pytest.mark.parametrize("name", MEASURED)
def test_three_seeds_meet_the_bars(name):
    found = harness.results(name)
    assert len(found["seeds"]) >= 3
    for bar, reached, asked, met in harness.judged(harness.load(name), found):
        assert met, f"{bar.data}: {bar.score} of {bar.method} is {reached:.4g}, not {bar.relation} {asked:.4g}"


def test_a_page_without_figures_is_not_published():
    settings = (harness.HERE.parent / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES - set(MEASURED):
        assert f"gallery/{page}.md\n" in settings.split("validation:")[0], f"exclude_docs does not name {page}"


def test_the_index_shows_what_was_measured(tmp_path, monkeypatch):
    text = (harness.GALLERY / "index.md").read_text(encoding="utf-8")
    (tmp_path / "index.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(harness, "GALLERY", tmp_path)
    harness.render_index()
    assert (tmp_path / "index.md").read_text(encoding="utf-8") == text


def test_bars_judge_the_mean_over_the_seeds():
    scores = [{"rows": {"network": {"R²": r}, "ridge": {"R²": 0.6}}} for r in (0.5, 0.7, 0.75)]
    assert harness.Bar("rows", "network", "R²", ">", "ridge").judge(scores) == (pytest.approx(0.65), 0.6, True)
    assert harness.Bar("rows", "network", "R²", ">=", 0.66).judge(scores)[2] is False
    assert harness.Bar("rows", "network", "R²", "<=", 0.66).judge(scores)[2] is True


def test_a_table_holds_mean_and_deviation_of_each_method():
    seeds = {
        str(seed): {
            "scores": {"rows": {"network": {"accuracy": a}, "naive": {"accuracy": 0.5}}},
            "processor_seconds": 60,
        }
        for seed, a in enumerate([0.9, 0.8, 0.85])
    }
    assert harness.tables({"seeds": seeds}).split("\n")[2:4] == ["| network | 0.8500 ± 0.0500 |", "| naive | 0.5000 |"]


def test_a_file_that_is_missing_is_named_with_its_origin(monkeypatch, tmp_path):
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    result = CliRunner().invoke(main, ["driving", "--quick", "--seed", "0", "--folder", str(tmp_path / "runs")])
    assert result.exit_code == 1
    assert "tub.tar.gz does not exist. The file comes from" in result.output


def test_the_command_lists_the_examples():
    result = CliRunner().invoke(main)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == NAMES
