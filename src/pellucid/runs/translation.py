"""Translations of a trained encoder and decoder."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.core.errors import InvalidValue
from pellucid.data import SentenceEncoder
from pellucid.data.translation import PAD, START, UNKNOWN, bleu, words_of
from pellucid.network import Network, power_of_two
from pellucid.runs.trained import Trained

SENTENCES = 256
"""Most sentences translated at once."""


class Alignment(NamedTuple):
    """The source words that the decoder attended to for each word that it wrote."""

    source: list[str]
    target: list[str]
    weights: np.ndarray
    """(target words, source words); rows sum to 1."""


def translate(trained: Trained, sentences: Sequence[str]) -> list[str]:
    """Translate sentences, word by word the likeliest (greedy), in lower case.

    Args:
        trained: a translator.
        sentences: of at most ``source_steps`` words and marks; words that are not known are read as one unknown.

    Raises:
        DataError: a sentence without words, or too long.
        InvalidValue: a run that is of no translator.
    """
    return encoder_of(trained).decode(_write_words(trained, sentences))


def align(trained: Trained, sentence: str) -> Alignment:
    """Compute the attention weights of one translation.

    Args:
        trained: a translator.
        sentence: as for `translate`.
    """
    encoder = encoder_of(trained)
    written = _write_words(trained, [sentence])
    words = encoder.target.decode(written[0])
    shifted = np.concatenate([[[START]], written[:, :-1]], axis=1)
    x = jnp.asarray(encoder.encode([sentence])), jnp.asarray(shifted, jnp.int32)
    weights = _attention(trained.network, trained.params, trained.layer_state, x)[0]
    read = words_of(sentence)
    return Alignment(read, words, np.asarray(weights)[: len(words), -len(read) :])


def translation_metrics(trained: Trained, pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Measure how good the translations of some sentences are.

    Args:
        trained: a translator.
        pairs: source and target; targets of the same source are all right.

    Returns:
        ``exact``, the fraction of distinct sentences whose translation is one of the targets word for word; and
        ``bleu``, see `pellucid.data.translation.bleu`.
    """
    references: dict[str, list[list[str]]] = {}
    for source, target in pairs:
        references.setdefault(source, []).append(words_of(target))
    target = encoder_of(trained).target
    translations = [target.decode(row) for row in _write_words(trained, list(references))]
    exact = np.mean([words in right for words, right in zip(translations, references.values(), strict=True)])
    return {"exact": float(exact), "bleu": bleu(translations, list(references.values()))}


def encoder_of(trained: Trained) -> SentenceEncoder:
    """Vocabularies of a translator.

    Raises:
        InvalidValue: a run that is of no translator.
    """
    encoder = trained.facts.encoder
    if not isinstance(encoder, SentenceEncoder):
        raise InvalidValue(
            f"this run is of {trained.facts.task}, and translates nothing. Train a translator: "
            'train("translator", load_translations(path)).'
        )
    return encoder


def _write_words(trained: Trained, sentences: Sequence[str]) -> np.ndarray:
    """The numbers of the words of each translation, (sentences, target_steps)."""
    encoder = encoder_of(trained)
    source, steps = encoder.encode(sentences), encoder.target_steps
    parts = [np.zeros((0, steps), np.int32)]
    for i in range(0, len(source), SENTENCES):
        part = source[i : i + SENTENCES]
        missing = power_of_two(len(part)) - len(part)
        filled = jnp.asarray(np.concatenate([part, np.repeat(part[:1], missing, axis=0)]))
        written = greedy(trained.network, steps, trained.params, trained.layer_state, filled)
        parts.append(np.asarray(written)[: len(part)])
    return np.concatenate(parts)


@partial(jax.jit, static_argnums=(0, 1))
def greedy(network: Network, steps: int, params: Any, state: Any, source: Any) -> Any:
    """Write translations word by word, each time the likeliest: word numbers, (sentences, steps)."""

    def write(step: Any, written: Any) -> Any:
        # All steps are computed to take one: the sentences are short, and it needs no second form of any layer.
        probabilities = network.forward(params, state, (source, written[:, :-1])).outputs[-1][:, step]
        allowed = probabilities.at[:, jnp.asarray([PAD, START, UNKNOWN])].set(-1)
        word = jnp.argmax(allowed, axis=-1).astype(written.dtype)
        return written.at[:, step + 1].set(word)

    start = jnp.full((source.shape[0], steps + 1), PAD, jnp.int32).at[:, 0].set(START)
    return jax.lax.fori_loop(0, steps, write, start)[:, 1:]


@partial(jax.jit, static_argnums=0)
def _attention(network: Network, params: Any, state: Any, x: Any) -> Any:
    return network.forward(params, state, x).caches[network.names.index("context")].weights
