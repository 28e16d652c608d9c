"""Starts that nobody waits for: lists import neither jax nor scikit-learn, and an explanation compiles few programs."""

import json
import os
import subprocess
import sys

import pytest

import pellucid as pel
from pellucid.core.errors import UnknownName
from pellucid_textbook import kept, show
from pellucid_textbook.kept import kept_page

HEAVY = ("jax", "sklearn", "scipy", "pandas", "pyarrow")


def in_a_fresh_process(program: str, *arguments: str, cwd=None) -> str:
    """What a program prints that runs as a user's would, with the paths and the cache of the tests."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


VERB = f"""
import sys
from pellucid.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code
print([name for name in {HEAVY} if name in sys.modules])
"""


def test_the_package_is_the_command():
    run = "import runpy, sys; sys.argv = ['pellucid', '--help']; runpy.run_module('pellucid', run_name='__main__')"
    assert in_a_fresh_process(run).startswith("Usage: pellucid [OPTIONS]")


@pytest.mark.parametrize(
    "verb", ["--help", "train --help", "lesson", "lesson --json", "data list", "show", "show relu"]
)
def test_lists_import_neither_jax_nor_scikit_learn(verb):
    if verb.startswith("show"):
        kept_page(*verb.split()[1:])  # the first time it is measured
    assert in_a_fresh_process(VERB, *verb.split()).splitlines()[-1] == "[]"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path))
    return tmp_path


def test_a_kept_page_is_the_page(cache):
    measured = kept_page("relu")
    (file,) = (cache / "pages").iterdir()
    before = file.read_bytes()
    again = kept_page("relu")
    assert str(again) == str(measured) == str(show("relu"))
    assert again.data == measured.data
    assert file.read_bytes() == before
    assert kept_page({"name": "leaky_relu", "alpha": 0.3}).data != kept_page("leaky_relu").data


def test_a_page_is_measured_again_where_the_library_has_changed_or_the_file_is_damaged(cache, monkeypatch):
    page = kept_page("relu")
    (file,) = (cache / "pages").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    assert kept_page("relu").data == page.data
    assert file.read_bytes() == whole
    monkeypatch.setattr(kept, "version", lambda package: "another")
    kept_page("relu")
    assert file.read_bytes() != whole


def test_a_cache_that_cannot_be_written_only_costs_time(cache):
    (cache / "pages").write_text("a file, not a folder")
    assert kept_page("relu").name == "relu"


def test_unknown_names_are_refused(cache):
    with pytest.raises(UnknownName, match="relu"):
        kept_page("rellu")
    assert not (cache / "pages").exists()


COUNTED = """
import sys
from collections import Counter
import pellucid.core.types
import jax

programs, found = Counter(), Counter()
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, fun_name="", **_: programs.update([fun_name] * event.endswith("backend_compile_duration"))
)
jax.monitoring.register_event_listener(lambda event, **_: found.update([event.rpartition("/")[2]]))
from pellucid.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code
import json
print(json.dumps([programs, found["cache_hits"], "sklearn" in sys.modules]))
"""


@pytest.mark.parametrize(("verb", "most"), [("explain run", 10), ("predict run iris --limit 2", 3)])
def test_a_saved_run_is_read_with_few_programs_all_of_them_cached(verb, most, tmp_path):
    """Explaining 4–8–3 once compiled 107 programs, most of one operation, at every call."""
    pel.train((8,), pel.load_dataset("iris"), epochs=2, folder=tmp_path / "run", progress=False)
    for _ in range(2):
        programs, cached, sklearn = json.loads(
            in_a_fresh_process(COUNTED, *verb.split(), cwd=tmp_path).splitlines()[-1]
        )
        assert sum(programs.values()) <= most, programs
        assert not sklearn
    assert cached == sum(programs.values())


def test_a_training_compiles_few_programs(tmp_path):
    """Both trainings of the recipe: initial state, recorder's memory, steps twice, prediction, loss and metric."""
    verb = "train iris --folder run --no-progress"
    programs, _, sklearn = json.loads(in_a_fresh_process(COUNTED, *verb.split(), cwd=tmp_path).splitlines()[-1])
    assert sum(programs.values()) <= 12, programs
    assert programs["jit(advance)"] == 2
    assert programs["jit(_initial_state)"] == 1
    assert not sklearn
