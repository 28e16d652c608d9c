"""Notebooks in real kernels: those of ``examples``, and live curves in Jupyter and marimo."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))
LARGEST = 150_000
"""Bytes of a notebook that is kept with its outputs."""

pytestmark = pytest.mark.filterwarnings(
    "ignore:Proactor event loop:RuntimeWarning", "ignore:unclosed:ResourceWarning", "ignore::DeprecationWarning"
)


def sources(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


LIVE = """
import pellucid as pel
run = pel.train((4,), pel.load_dataset("iris"), epochs=6, callbacks=[pel.callbacks.LivePlot(seconds=0)])
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The cells of all examples, and one with live curves, executed one after another in one kernel."""
    books = {path.stem: sources(nbformat.read(path, 4)) for path in EXAMPLES} | {"live": [LIVE]}
    whole = new_notebook(cells=[new_code_cell(source) for cells in books.values() for source in cells])
    folder = tmp_path_factory.mktemp("notebooks")
    NotebookClient(whole, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
    cells = iter(whole.cells)
    return {name: [next(cells) for _ in sources] for name, sources in books.items()}


def types_of(cells):
    return [[set(output.get("data", {"stream": 1})) for output in cell.outputs] for cell in cells]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_is_kept_as_it_ran(path, executed):
    kept = nbformat.read(path, 4)
    nbformat.validate(kept)
    assert path.stat().st_size < LARGEST
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert types_of(code) == types_of(executed[path.stem])


def test_jupyter_shows_progress_and_curves_in_one_place_each(executed):
    (cell,) = executed["live"]
    shown = [output for output in cell.outputs if output.output_type == "display_data"]
    progress, curves = (next(o.data for o in shown if ("text/html" in o.data) == html) for html in (False, True))
    assert len(shown) == 2
    assert progress["text/plain"].splitlines()[-1].startswith("epoch 6/6: loss ")
    assert "epoch 6 of 6" in curves["text/html"]
    assert "<svg" in curves["text/html"]


MARIMO = f"""
import marimo
app = marimo.App()

@app.cell
def _():
    {LIVE.strip().replace(chr(10), chr(10) + "    ")}
    return (run,)

@app.cell
def _(run):
    run.history
    return
"""


def test_marimo_shows_curves_and_tables(tmp_path):
    (tmp_path / "book.py").write_text(MARIMO)
    command = [sys.executable, "-m", "marimo", "export", "html", "book.py", "-o", "book.html", "--no-sandbox"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "book.html").read_text()
    assert page.count("epoch 6 of 6") == 1  # not 1 of 6 … 5 of 6 before it
    assert "epoch 5 of 6" not in page
    assert "svg" in page
    assert "6 epochs, 24 steps, 120 rows" in page  # the history's table
