"""A run of a GAN: the two networks that a training left, with all that is needed to use, save and load them."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import StorageError
from pellucid.data import Dataset
from pellucid.network import Network, summarize
from pellucid.optimizers import as_optimizer
from pellucid.report.figures import draw_history, draw_samples
from pellucid.runs.experiment import GanExperiment
from pellucid.runs.folder import RunFolder
from pellucid.runs.pages import kept_page, page_of_gan
from pellucid.runs.run import DataFacts, outputs_of, under
from pellucid.runs.scaling import scaling_of
from pellucid.training import Adversarial, History, Scaling, Training, from_arrays, to_arrays

_AS_THEY_ARE = Scaling(jnp.zeros((), jnp.float32), jnp.ones((), jnp.float32))


@dataclass
class GanRun:
    """A generator and a critic that were trained against each other.

    Attributes:
        params: parameters by network: those of ``generator`` averaged over the last of its steps.
        history: per step, per epoch and per layer, as tables; ``loss`` is the critic's, without its penalty.
        result: both losses in the last epoch.
        stopped: why it ended: ``"epochs"`` or ``"interrupted"``.
        folder: where it was saved; None if it was not.
        data: what it was trained on; None for a run that was loaded.
        resumed: where settings changed when it was resumed: epoch, step, and what each was before and after.
    """

    program: Adversarial
    params: dict[str, Any]
    layer_state: dict[str, Any]
    experiment: GanExperiment
    facts: DataFacts
    history: History
    stopped: str = "epochs"
    folder: Path | None = None
    training: Training | None = None
    data: Dataset | None = None
    resumed: tuple[dict[str, Any], ...] = ()

    @property
    def manifest(self) -> dict[str, Any]:
        """What ``manifest.json`` holds beside the versions in use: the data, and what else repeating it takes."""
        again = {"resumed": list(self.resumed)} if self.resumed else {}
        return {"data": self.facts.to_dict(), "seed": self.experiment.seed, **again}

    @property
    def result(self) -> dict[str, float]:
        """Both losses in the last whole epoch; on held-out rows too, where there are any."""
        table = self.history.epochs
        if not self.history.epochs_made:
            return {}
        return {name: float(table[name][-1]) for name in table if name not in ("epoch", "learning_rate")}

    def sample(self, count: int, seed: int = 0) -> np.ndarray:
        """New examples, in the units of the data.

        Args:
            count: how many, at least 1.
            seed: of the noise; the same seed gives the same examples.

        Returns:
            Shape (count, *input_shape), float32.

        Raises:
            InvalidValue: a count below 1.
        """
        require(count, WholeNumber(1), "count")
        noise = np.asarray(jax.random.normal(jax.random.key(seed), (count, self.program.latent)))
        return self.facts.preprocessing.invert_numpy(self._outputs("generator", noise, _AS_THEY_ARE))

    def score(self, x: Any) -> np.ndarray:
        """The critic's score D of examples in the units of the data, shape (rows,): higher for more real."""
        scaling = scaling_of(self.facts.preprocessing)
        return self._outputs("critic", np.asarray(x), scaling)[:, 0]

    def _outputs(self, player: str, x: np.ndarray, scaling: Scaling) -> np.ndarray:
        network = getattr(self.program, player)
        return outputs_of(network, self.params[player], self.layer_state[player], x, scaling)

    def draw(self, count: int = 64, seed: int = 0) -> Any:
        """A matplotlib figure of samples: images side by side, or points of a plane.

        Args:
            count: how many.
            seed: of the noise.

        Raises:
            MissingExtra: matplotlib is not installed.
            ShapeError: examples that are neither images nor points of a plane.
        """
        return draw_samples(self.sample(count, seed))

    def plot(self) -> Any:
        """A matplotlib figure of the training: both losses, gradients and updates.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return draw_history(self.history)

    def diagnose(self, data: Dataset | None = None) -> Any:
        """What the samples leave out of the data, and which player is to blame; see `pellucid.diagnose`.

        Args:
            data: its data, where the run was loaded and its data came as arrays.
        """
        # The doctor stands above the models: it is asked for when it is needed.
        return importlib.import_module("pellucid.doctor.keep").diagnose_and_keep(self, data)

    def prove(self, data: Dataset | None = None, **options: Any) -> Any:
        """What fixes this training, tried by experiment; see `pellucid.prove`.

        Args:
            data: as for `diagnose`.
            options: those of `pellucid.prove`.
        """
        return importlib.import_module("pellucid.doctor.keep").prove_and_keep(self, data, **options)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the run folder: settings, weights, history, report.

        Args:
            folder: where to; may be the folder that the run was saved to before.
            overwrite: replace another run that is there.

        Raises:
            StorageError: another run is there, or it cannot be written.
        """
        files = RunFolder(folder)
        if files.path != self.folder:
            files.begin(overwrite)
        files.write_experiment(self.experiment.to_dict())
        files.write_manifest(self.manifest)
        arrays = to_arrays({"params": self.params, "layer_state": self.layer_state})
        history = {f"history/{name}": array for name, array in self.history.to_arrays().items()}
        files.write_weights(arrays | self.facts.to_arrays() | history)
        for name, table in self.history.tables.items():
            files.write_table(name, table)
        files.write_json("result.json", {"stopped": self.stopped, **self.result})
        files.write_text("report.html", kept_page(self) or page_of_gan(self, files))
        self.folder = files.path
        return files.path

    @staticmethod
    def summary(program: Adversarial, input_shape: tuple[int, ...]) -> str:
        """Both networks as tables."""
        generator = summarize(program.generator, (program.latent,))
        return f"generator\n{generator}\n\ncritic\n{summarize(program.critic, input_shape)}"

    def __repr__(self) -> str:
        return f"<GanRun {' · '.join(str(self).splitlines())}>"

    def __str__(self) -> str:
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in self.result.items())
        end = ", interrupted" if self.stopped == "interrupted" else ""
        made = f"{self.history.epochs_made} of {self.experiment.epochs} epochs{end}"
        return f"{self.facts.name}, {self.experiment.loss}: {made}\nlast epoch: {figures or 'none'}"


def load_gan(folder: str | Path) -> GanRun:
    """A saved GAN, ready to sample.

    Args:
        folder: its run folder.

    Raises:
        StorageError: no GAN there, or one that has no weights yet: resume it first.
    """
    files = RunFolder(folder)
    experiment = GanExperiment.from_dict(files.read_experiment())
    arrays = files.read_weights()
    if arrays is None:
        raise StorageError(f"the run {folder} has not ended: it has no weights yet. Resume it first.")
    manifest = files.read_json("manifest.json")
    facts = DataFacts.from_dict(manifest["data"], arrays)
    program = program_of_gan(experiment)
    state = program.init(as_optimizer("sgd"), as_optimizer("sgd"), None, facts.input_shape, 0)
    params = {player: state.params[player] for player in ("generator", "critic")}
    tree = from_arrays({"params": params, "layer_state": state.layer_state}, arrays)
    history = History.begin(program, facts.rows)
    history.restore(under("history", arrays))
    return GanRun(
        program,
        tree["params"],
        tree["layer_state"],
        experiment,
        facts,
        history,
        files.read_json("result.json")["stopped"],
        files.path,
        resumed=tuple(manifest.get("resumed", ())),
    )


def program_of_gan(experiment: GanExperiment) -> Adversarial:
    """What the compiled program of an experiment depends on."""
    return Adversarial(
        Network(*experiment.generator),
        Network(*experiment.critic),
        experiment.latent,
        experiment.loss,
        experiment.batch_size * experiment.critic_steps,
        experiment.critic_steps,
        experiment.record_every,
        experiment.record,
        experiment.histograms_every,
    )
