"""The translator: an encoder, a decoder and attention between them."""

from typing import Any

from pellucid.core.constraints import FRACTION, WholeNumber, require
from pellucid.core.errors import DataError
from pellucid.data import Dataset
from pellucid.layers import LSTM, Attention, Concatenate, Dense, Dropout, Embedding, MeanOverTime, Repeat
from pellucid.network import Network


def translator(data: Dataset, *, embedding: int = 64, units: int = 128, dropout: float = 0.2) -> Network:
    """Encoder, decoder and attention between them, as a graph of two inputs.

    The encoder, an LSTM over the embedded source, leaves a state for every source word; their mean tells the decoder
    what the sentence is about. The decoder, an LSTM over the target as far as it is written, asks at every step by
    `Attention` for the source words that matter now; both together choose the next word. The words' weights begin by
    what they read alone, not by how many words there are, which would leave little gradient for the rest: after 450
    steps on 10,000 pairs of 2,969 words the loss of a batch was 2.5 so, and 4.1 with ``glorot_uniform``.

    Args:
        data: sentence pairs, whose words and lengths decide inputs and output.
        embedding: length of a word's vector, at least 1.
        units: cells of encoder and decoder, at least 1.
        dropout: fraction dropped of what encoder and decoder read and of what chooses the word, 0 ≤ p < 1.

    Raises:
        DataError: data that are no sentence pairs.
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
    require(dropout, FRACTION, "dropout")
    words: Any = data.encoder
    if data.task != "translation":
        raise DataError(
            f"a translator learns sentence pairs, and {data.name!r} holds none. Read them by load_pairs(path)."
        )
    return Network.graph(
        inputs=("source", "written"),
        nodes={
            "source_words": (Embedding(len(words.source), embedding, mask_zero=True), "source"),
            "source_dropped": (Dropout(dropout), "source_words"),
            "encoder": (LSTM(units, return_sequences=True, mask_value=0.0), "source_dropped"),
            "gist": (MeanOverTime(), "encoder"),
            "gist_again": (Repeat(words.target_steps), "gist"),
            "written_words": (Embedding(len(words.target), embedding), "written"),
            "decoder_reads": (Concatenate(), ("written_words", "gist_again")),
            "decoder_dropped": (Dropout(dropout), "decoder_reads"),
            "decoder": (LSTM(units, return_sequences=True), "decoder_dropped"),
            "query": (Dense(units, weights="glorot_uniform"), "decoder"),
            "context": (Attention(mask_value=0.0), ("query", "encoder")),
            "state_and_context": (Concatenate(), ("decoder", "context")),
            "choice": (Dense(embedding, "tanh", weights="glorot_uniform"), "state_and_context"),
            "choice_dropped": (Dropout(dropout), "choice"),
            "word": (Dense(len(words.target), "softmax", weights="lecun_uniform"), "choice_dropped"),
        },
        outputs="word",
    )
