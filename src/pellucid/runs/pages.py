"""A run as the record that `pellucid.report` reads."""

from typing import Any

from pellucid.network import summarize
from pellucid.report.run_page import page_of
from pellucid.runs.folder import RunFolder
from pellucid.runs.notes import Notes


class Record:
    """A run under the names of the record."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self.adversarial = hasattr(run.program, "generator")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    @property
    def notes(self) -> Notes:
        """What was reported of the training."""
        return getattr(self._run, "notes", Notes())

    @property
    def ending(self) -> str:
        """How many epochs were made, and why no more."""
        return str(self._run).splitlines()[0].split(": ", 1)[1]

    @property
    def networks(self) -> dict[str, Any]:
        """The networks by name."""
        program = self._run.program
        return {"generator": program.generator, "critic": program.critic} if self.adversarial else {"": program.network}

    @property
    def summaries(self) -> dict[str, Any]:
        """The table of each network."""
        shape = self._run.facts.input_shape
        if self.adversarial:
            inputs = {"generator": (self._run.program.latent,), "critic": shape}
            return {name: summarize(network, inputs[name]) for name, network in self.networks.items()}
        return {"": self._run.summary}

    def metrics_of(self, outputs: Any, part: Any) -> dict[str, float]:
        """Loss and metric of outputs for the rows of a part."""
        return self._run.figures(outputs, part)


def page_of_run(run: Any, files: RunFolder) -> str:
    """The page of a run."""
    return page_of(Record(run), files)
