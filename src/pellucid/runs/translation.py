"""Translation: an encoder reads a sentence, a decoder writes it in another language, attention joins them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.constraints import SHARE, WholeNumber, require
from pellucid.core.errors import InvalidValue, ResumeWarning, StorageError
from pellucid.core.registry import describe
from pellucid.core.types import Params, State
from pellucid.data import Dataset
from pellucid.data.translation import PAD, START, UNKNOWN, Lexicon, SentenceEncoder, SentencePairs, bleu, words_of
from pellucid.layers import LSTM, Attention, Concatenate, Dense, Dropout, Embedding, MeanOverTime, Repeat
from pellucid.network import Graph, Summary, build_network, power_of_two, summarize
from pellucid.optimizers import as_optimizer
from pellucid.runs.experiment import Experiment, check_counts
from pellucid.runs.folder import RunFolder
from pellucid.runs.keeping import keep_compiled_programs, restore, run_to_the_end
from pellucid.runs.resuming import changed, refuse_fewer_epochs, resettled, resumed_optimizer
from pellucid.runs.run import program_of, under
from pellucid.training import History, Rows, Scaling, Training, from_arrays, initial_state, to_arrays

SENTENCES = 256
"""Most sentences translated at once."""


def translator(data: Dataset, *, embedding: int = 64, units: int = 128, dropout: float = 0.2) -> Graph:
    """Encoder, decoder and attention between them, as a graph of two inputs (subject 8.3).

    The encoder, an LSTM over the embedded source, leaves a state for every source word; their mean tells the decoder
    what the sentence is about. The decoder, an LSTM over the target as far as it is written, asks at every step by
    `Attention` for the source words that matter now; both together choose the next word.

    Args:
        data: the sentence pairs, whose words and lengths decide inputs and output.
        embedding: length of a word's vector, at least 1.
        units: cells of encoder and decoder, at least 1.
        dropout: share dropped of what encoder and decoder read and of what chooses the word, 0 ≤ p < 1.

    Raises:
        InvalidValue: a width below 1, or a dropout of 1 or more.

    Example:
        >>> from pellucid.data.translation import prepare_translations
        >>> data = prepare_translations([("Go.", "Va !"), ("Run.", "Cours !")], minimum_count=1, held_out=0.5)
        >>> graph = translator(data, embedding=4, units=8)
        >>> graph.inputs, graph.outputs
        (('source', 'written'), ('word.softmax',))

    Source: Sutskever, Vinyals, Le, Sequence to sequence learning with neural networks, 2014; Luong, Pham, Manning,
    Effective approaches to attention-based neural machine translation, 2015.
    """
    require(embedding, WholeNumber(1), "embedding")
    require(units, WholeNumber(1), "units")
    require(dropout, SHARE, "dropout")
    encoder = data.encoder
    assert isinstance(encoder, SentenceEncoder)
    return Graph(
        inputs=("source", "written"),
        nodes={
            "source_words": (
                Embedding(len(encoder.source), embedding, mask_zero=True),
                "source",
            ),
            "source_dropped": (Dropout(dropout), "source_words"),
            "encoder": (LSTM(units, return_sequences=True, mask_value=0.0), "source_dropped"),
            "gist": (MeanOverTime(), "encoder"),
            "gist_again": (Repeat(encoder.target_steps), "gist"),
            "written_words": (Embedding(len(encoder.target), embedding), "written"),
            "decoder_reads": (Concatenate(), ("written_words", "gist_again")),
            "decoder_dropped": (Dropout(dropout), "decoder_reads"),
            "decoder": (LSTM(units, return_sequences=True), "decoder_dropped"),
            "query": (Dense(units, weights="glorot_uniform"), "decoder"),
            "context": (Attention(mask_value=0.0), ("query", "encoder")),
            "state_and_context": (Concatenate(), ("decoder", "context")),
            "choice": (Dense(embedding, "tanh", weights="glorot_uniform"), "state_and_context"),
            "choice_dropped": (Dropout(dropout), "choice"),
            "word": (Dense(len(encoder.target), "softmax", weights="glorot_uniform"), "choice_dropped"),
        },
        outputs="word",
    )


class Alignment(NamedTuple):
    """Which source words the decoder looked at for each word that it wrote."""

    source: list[str]
    target: list[str]
    weights: np.ndarray
    """(target words, source words); rows sum to 1."""


@dataclass
class Translator:
    """A trained encoder and decoder, and the words they know.

    Attributes:
        network: the graph, as of `translator`.
        params: its parameters.
        source: the words that it reads.
        target: the words that it writes.
        source_steps: most words of a sentence to translate.
        target_steps: most words of a translation, and one for the end.
        history: per step, per epoch and per layer, as tables; the held-out figures are those of each next word given
            the right words before it.
        result: figures on the held-out sentences, see ``evaluate``.
        stopped: why the training ended: ``"epochs"`` or ``"interrupted"``.
    """

    network: Graph
    params: tuple[Params, ...]
    layer_state: tuple[State, ...]
    source: Lexicon
    target: Lexicon
    source_steps: int
    target_steps: int
    experiment: Experiment
    history: History
    result: dict[str, float]
    stopped: str = "epochs"

    def __repr__(self) -> str:
        figures = ", ".join(f"{name} {value:.4f}" for name, value in self.result.items())
        words = f"{len(self.source)} → {len(self.target)} words"
        return (
            f"<Translator {words}: {self.history.epochs_made} of {self.experiment.epochs} epochs; {figures}>"
        )

    @property
    def summary(self) -> Summary:
        """The network as a table."""
        return summarize(self.network, ((self.source_steps,), (self.target_steps,)))

    @property
    def _encoder(self) -> SentenceEncoder:
        return SentenceEncoder(self.source, self.target, self.source_steps, self.target_steps)

    @staticmethod
    def train(
        data: Dataset,
        network: Graph | None = None,
        *,
        optimizer: Any = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        seed: int | None = None,
        record_every: int | None = None,
        folder: str | Path | None = None,
        overwrite: bool = False,
        resume: bool = False,
        checkpoint_every: float = 10.0,
        progress: bool = True,
    ) -> "Translator":
        """Train a translator, each word given the right words before it; padding costs nothing.

        Args:
            data: the sentence pairs.
            network: a graph as of `translator`; None for that of the default sizes.
            optimizer: name, table or object; by default Adam.
            epochs: passes over the training pairs, at least 1; by default 10.
            batch_size: pairs a step; by default 64.
            seed: decides initial weights, order of the pairs and what dropout draws; by default 0.
            record_every: steps between two measurements of the layers, 0 for none; by default 20.
            folder: run folder to save to, and to keep checkpoints in while training.
            overwrite: replace the run that ``folder`` holds already.
            resume: go on from the last checkpoint of ``folder``, bit for bit as if it had never stopped. What is None
                is then as in the run; another optimiser and number of epochs are taken and written down as by
                `resume_run`.
            checkpoint_every: seconds between checkpoints.
            progress: show the progress on stderr.

        Raises:
            InvalidValue: a hyperparameter outside what is allowed, or one that a resumed run cannot change.
            StorageError: the folder holds a run already, or one of other data.
            TrainingDiverged: the loss is no longer finite.

        Warns:
            ResumeWarning: no step was made, since all epochs are made.
        """
        files = None if folder is None else RunFolder(folder)
        saved = None
        if resume and files is not None:
            saved = Experiment.from_dict(files.read_experiment())
            chosen = resumed_optimizer(saved.optimizer, optimizer, None, saved.batch_size)
            network = network or build_network(saved.network)  # pyright: ignore[reportAssignmentType]
            experiment = resettled(saved, epochs, chosen, None)
            _refuse_others(
                saved, network=network, batch_size=batch_size, seed=seed, record_every=record_every
            )
        else:
            chosen = as_optimizer("adam" if optimizer is None else optimizer)
            network = network or translator(data)
            experiment = Experiment(
                network=network.describe(),
                loss={"name": "sparse_categorical_cross_entropy", "ignore": PAD},
                metric={"name": "accuracy", "ignore": PAD},
                optimizer=describe(chosen),
                epochs=10 if epochs is None else epochs,
                batch_size=64 if batch_size is None else batch_size,
                seed=0 if seed is None else seed,
                record_every=20 if record_every is None else record_every,
                data={"name": "translations"},
            )
        assert isinstance(network, Graph)
        check_counts(experiment, len(data.train))
        keep_compiled_programs()
        program = program_of(experiment, network, len(data.train))
        encoder, unseen = data.encoder, data.held_out
        assert isinstance(encoder, SentenceEncoder)
        assert isinstance(unseen, SentencePairs)
        train, held_out = (
            Rows(tuple(map(jnp.asarray, part.inputs)), jnp.asarray(part.y)) for part in (data.train, unseen)
        )
        training = Training(
            program,
            Scaling(jnp.float32(0), jnp.float32(1)),
            train,
            held_out,
            chosen,
            initial_state(network, chosen, None, data.input_shape, experiment.seed),
            History.begin(program, train.rows),
        )
        optimizers = {"optimizer": experiment.to_dict()["optimizer"]}
        resumed: list[Any] = []
        if saved is not None and files is not None:
            manifest = files.read_json("manifest.json")
            if manifest["data"]["fingerprint"] != data.fingerprint:
                raise StorageError(
                    "the sentence pairs are not those of the run. Give the same, or begin a new run."
                )
            restore(training, files, optimizers)
            refuse_fewer_epochs(training, epochs)
            if training.ended(experiment.epochs):
                made = training.history.epochs_made
                said = (
                    f"no step was made: all {made} epochs of {folder} are made. Give more: epochs={2 * made}."
                )
                if experiment.optimizer != saved.optimizer:
                    raise InvalidValue(f"optimizer: {said}")
                if files.has("result.json"):
                    warnings.warn(said, ResumeWarning, stacklevel=2)
            resumed = manifest.get("resumed", []) + changed(saved, experiment, training)
        elif files is not None:
            files.begin(overwrite)
        if files is not None:
            again = {"resumed": resumed} if resumed else {}
            files.write_manifest({"data": _facts(data), "seed": experiment.seed, **again})
            files.write_experiment(experiment.to_dict())
        stopped = run_to_the_end(training, experiment.epochs, files, checkpoint_every, progress, optimizers)
        made = Translator(
            network, training.params, training.layer_state, encoder.source, encoder.target, encoder.source_steps,
            encoder.target_steps, experiment, training.history, {}, stopped,
        )
        made.result |= made.evaluate([(source, target) for source, target in unseen.pairs])
        if files is not None:
            made._write(files)
        return made

    def translate(self, sentences: Sequence[str]) -> list[str]:
        """Translations, word by word the likeliest (greedy), in lower case.

        Args:
            sentences: of at most ``source_steps`` words and marks; words that are not known are read as one unknown.

        Raises:
            DataError: a sentence without words, or too long.
        """
        return self._encoder.decode(self._write_words(sentences))

    def alignment(self, sentence: str) -> Alignment:
        """The attention weights of one translation.

        Args:
            sentence: as for ``translate``.
        """
        written = self._write_words([sentence])
        words = self.target.decode(written[0])
        shifted = np.concatenate([[[START]], written[:, :-1]], axis=1)
        source = self._encoder.encode([sentence])
        x = jnp.asarray(source), jnp.asarray(shifted, jnp.int32)
        weights = _attention(self.network, self.params, self.layer_state, x)[0]
        read = words_of(sentence)
        return Alignment(read, words, np.asarray(weights)[: len(words), -len(read) :])

    def evaluate(self, pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
        """How good the translations of some sentences are.

        Args:
            pairs: source and target; targets of the same source are all right.

        Returns:
            ``exact``, the share of distinct sentences whose translation is one of the targets word for word; and
            ``bleu``, see `pellucid.data.translation.bleu`.
        """
        references: dict[str, list[list[str]]] = {}
        for source, target in pairs:
            references.setdefault(source, []).append(words_of(target))
        found = [self.target.decode(row) for row in self._write_words(list(references))]
        exact = np.mean([words in right for words, right in zip(found, references.values(), strict=True)])
        return {"exact": float(exact), "bleu": bleu(found, list(references.values()))}

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write a run folder: settings, words, weights, history.

        Args:
            folder: where to.
            overwrite: replace a run that is there.

        Raises:
            StorageError: a run is there, or it cannot be written.
        """
        files = RunFolder(folder)
        files.begin(overwrite)
        files.write_manifest({"seed": self.experiment.seed})
        self._write(files)
        return files.path

    @staticmethod
    def load(folder: str | Path) -> "Translator":
        """A saved translator, ready to translate.

        Args:
            folder: its run folder.

        Raises:
            StorageError: none there, or one that has no weights yet.
        """
        files = RunFolder(folder)
        experiment = Experiment.from_dict(files.read_experiment())
        arrays = files.read_weights()
        if arrays is None:
            raise StorageError(f"the run {folder} has not ended: it has no weights yet. Resume it first.")
        words = files.read_json("words.json")
        network = build_network(experiment.network)
        assert isinstance(network, Graph)
        shapes = ((words["source_steps"],), (words["target_steps"],))
        template = initial_state(network, as_optimizer("sgd"), None, shapes, 0)
        tree = from_arrays({"params": template.params, "layer_state": template.layer_state}, arrays)
        history = History.begin(program_of(experiment, network, words["rows"]), words["rows"])
        history.restore(under("history", arrays))
        result = files.read_json("result.json")
        stopped = result.pop("stopped")
        return Translator(
            network, tree["params"], tree["layer_state"], Lexicon(tuple(words["source"])),
            Lexicon(tuple(words["target"])), words["source_steps"], words["target_steps"], experiment, history,
            result, stopped,
        )

    def _write(self, files: RunFolder) -> None:
        files.write_experiment(self.experiment.to_dict())
        files.write_json(
            "words.json",
            {
                "source": self.source.words,
                "target": self.target.words,
                "source_steps": self.source_steps,
                "target_steps": self.target_steps,
                "rows": self.history.rows,
            },
        )
        arrays = to_arrays({"params": self.params, "layer_state": self.layer_state})
        files.write_weights(arrays | {f"history/{k}": v for k, v in self.history.to_arrays().items()})
        for name in ("epochs", "steps", "layers"):
            files.write_table(name, getattr(self.history, name))
        files.write_json("result.json", {"stopped": self.stopped, **self.result})

    def _write_words(self, sentences: Sequence[str]) -> np.ndarray:
        """The numbers of the words of each translation, (sentences, target_steps)."""
        source = self._encoder.encode(sentences)
        parts = [np.zeros((0, self.target_steps), np.int32)]
        for i in range(0, len(source), SENTENCES):
            part = source[i : i + SENTENCES]
            missing = power_of_two(len(part)) - len(part)
            filled = np.concatenate([part, np.repeat(part[:1], missing, axis=0)])
            written = _greedy(
                self.network, self.target_steps, self.params, self.layer_state, jnp.asarray(filled)
            )
            parts.append(np.asarray(written)[: len(part)])
        return np.concatenate(parts)


@partial(jax.jit, static_argnums=(0, 1))
def _greedy(network: Graph, steps: int, params: Any, state: Any, source: Any) -> Any:
    """Write the likeliest word at each step, given those before it."""

    def write(step: Any, written: Any) -> Any:
        # All steps are computed to take one: the sentences are short, and it needs no second form of any layer.
        shares = network.forward(params, state, (source, written[:, :-1])).outputs[-1][:, step]
        allowed = shares.at[:, jnp.asarray([PAD, START, UNKNOWN])].set(-1)
        word = jnp.argmax(allowed, axis=-1).astype(written.dtype)
        return written.at[:, step + 1].set(word)

    start = jnp.full((source.shape[0], steps + 1), PAD, jnp.int32).at[:, 0].set(START)
    return jax.lax.fori_loop(0, steps, write, start)[:, 1:]


@partial(jax.jit, static_argnums=0)
def _attention(network: Graph, params: Any, state: Any, x: Any) -> Any:
    """The weights of the node ``context``, from its cache."""
    return network.forward(params, state, x).caches[network.names.index("context")].weights


def _refuse_others(saved: Experiment, *, network: Any, **others: Any) -> None:
    """Refuse to resume a run with settings that it was not begun with."""
    others["network"] = network.describe()
    for name, value in others.items():
        if value is not None and value != getattr(saved, name):
            raise InvalidValue(
                f"{name}: this run was begun with another, which cannot change when it is resumed. Leave it out, "
                "or begin a new run."
            )


def _facts(data: Dataset) -> dict[str, Any]:
    return {
        "name": "translations",
        "fingerprint": data.fingerprint,
        "rows": len(data.train),
        "held_out_rows": len(data.held_out or ()),
    }


__all__ = ["Alignment", "Translator", "translator"]
