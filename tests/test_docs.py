"""The documentation: its code runs, as a reader would run it, page by page."""

import re
import runpy
import warnings
from pathlib import Path

import jax
import pytest

from pellucid.core.registry import REGISTRIES
from pellucid.doctor.rule import CAUSES, RULES

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+) -->\n)?```python[^\n]*\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
PAGES_OF_TEXT = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [path for path in PAGES_OF_TEXT if BLOCK.search(path.read_text(encoding="utf-8"))]


def blocks(page):
    """The Python of a page: (line, code), but for what says why it is not run."""
    text = page.read_text(encoding="utf-8")
    return [
        (text[: block.start("code")].count("\n"), block["code"])
        for block in BLOCK.finditer(text)
        if not block["reason"]
    ]


@pytest.fixture
def registries():
    """What a page registers is forgotten after it."""
    kept = [(registry._classes, dict(registry._classes)) for registry in REGISTRIES]
    rules, causes = list(RULES), dict(CAUSES)
    yield
    RULES[:] = rules
    kept.append((CAUSES, causes))
    for table, before in kept:
        table.clear()
        table.update(before)


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    with warnings.catch_warnings(), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        warnings.simplefilter("ignore")  # what the doctor warns of is part of some pages
        for line, code in blocks(page):
            exec(compile("\n" * line + code, str(page), "exec"), names)


def test_what_is_quoted_is_there_and_short():
    quoting = runpy.run_path(str(ROOT / "tools" / "quoting.py"))
    text = (ROOT / "docs" / "decisions" / "architecture.md").read_text(encoding="utf-8")
    paths = quoting["QUOTE"].findall(text)
    assert {path.rpartition(".")[2].strip("_") for path in paths} >= {"train", "diagnose", "prove", "explain"}
    for path in paths:
        assert quoting["quoted"](path).startswith("```python")
    with pytest.raises(ValueError, match="no function"):
        quoting["quoted"]("pellucid.api.no_such_function")


def test_every_file_that_a_page_names_is_there():
    """Paths in code quotes: ``training/recorder.py`` of the package, ``tests/laws/`` of the repository."""
    places = [ROOT / "src" / "pellucid", ROOT / "src" / "pellucid_textbook", ROOT / "src", ROOT]
    made = ("runs/", "history/", "snapshots/", "checkpoints/", "site/", "stream/")
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in PAGES_OF_TEXT
        for name in re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.(?:py|toml|json|md))?)`", page.read_text(encoding="utf-8"))
        if not name.startswith(made) and not any((place / name).exists() for place in places)
    ]
    assert not missing, "\n".join(missing)
