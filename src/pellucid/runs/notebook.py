"""One place of a notebook whose content changes, in kernels of IPython (Jupyter, VS Code) and in marimo."""

import sys
from typing import Any

from pellucid.core.errors import MissingExtra


def in_notebook() -> bool:
    """True in the kernel of a notebook."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_ipython is not None and hasattr(get_ipython(), "kernel")


def _marimo() -> Any:
    """The module, within a notebook of marimo; else None."""
    marimo = sys.modules.get("marimo")
    return marimo if marimo is not None and marimo.running_in_notebook() else None


class Place:
    """A place below a cell: what is shown there replaces what was."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, content: dict[str, str]) -> None:
        """Show content, by its type: ``text/html`` or ``text/plain``.

        Raises:
            MissingExtra: neither marimo nor IPython is there.
        """
        if (marimo := _marimo()) is not None:
            marimo.output.replace(marimo.Html(content["text/html"]))
            return
        try:
            from IPython.display import display
        except ImportError as error:
            raise MissingExtra("ipython", "notebook", "drawing in a notebook") from error
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
