"""Execute the notebooks of ``examples/`` anew and keep their outputs: ``tools/execute_notebooks.py [NAME …]``."""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"


def execute(path: Path) -> None:
    """Execute a notebook in an empty folder, and write it with what its cells show."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which differ
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for each in sorted(EXAMPLES.glob("*.ipynb")):
        if not sys.argv[1:] or each.stem in sys.argv[1:]:
            print(each.name, file=sys.stderr)
            execute(each)
