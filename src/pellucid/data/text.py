"""Messages as bags of words: one input per word."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import DataError
from pellucid.data.arrays import Encoder
from pellucid.data.reading import read_pairs


@dataclass(frozen=True)
class Vocabulary(Encoder):
    """Known words in the order of the inputs.

    ``x_i = 1`` if the message holds word i, else 0. Words are runs of two or more letters, digits or underscores, in
    lower case. A word of the vocabulary may be several, such as "credit card", which must stand in this order.

    Args:
        words: distinct, at least one.

    Raises:
        DataError: no words, or the same word twice.

    Example:
        >>> Vocabulary(("call", "now", "win")).encode(["Call me NOW, now!", "hello"])
        array([[1, 1, 0],
               [0, 0, 0]], dtype=uint8)
    """

    of_texts = True

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.words or len(set(self.words)) != len(self.words):
            raise DataError(f"a vocabulary is a list of distinct words. Received {len(self.words)} words.")

    def __len__(self) -> int:
        return len(self.words)

    def names_of(self, x: np.ndarray) -> tuple[str, ...]:
        """The words."""
        return self.words

    def encode(self, source: Sequence[str]) -> np.ndarray:
        """Convert messages to uint8 ``(messages, words)``; unknown words are ignored.

        Raises:
            DataError: one text instead of a list of texts.
        """
        if isinstance(source, str):
            raise DataError(f"encode needs a list of messages. Received one text: {source!r}. Write [text].")
        from sklearn.feature_extraction.text import CountVectorizer

        longest = max(word.count(" ") for word in self.words) + 1
        counter = CountVectorizer(vocabulary=list(self.words), binary=True, ngram_range=(1, longest))
        return counter.transform(source).astype(np.uint8).toarray()


def bag_of_words(
    texts: Sequence[str], *, minimum_count: int = 2, maximum_words: int | None = None, ngrams: int = 1
) -> Vocabulary:
    """Collect the vocabulary of messages.

    Args:
        texts: the training messages alone, so that held-out ones stay unseen.
        minimum_count: words of fewer messages are left out; at least 1.
        maximum_words: keep only so many of the most frequent words.
        ngrams: up to so many words in a row are an input of their own, such as "credit card" with 2; at least 1.

    Returns:
        The words in alphabetical order.

    Raises:
        DataError: no word is left.
        InvalidValue: a count below 1.

    Example:
        >>> bag_of_words(["win cash now", "cash for you", "see you now"])
        Vocabulary(words=('cash', 'now', 'you'))

    Source: Harris, "Distributional structure", 1954.
    """
    require(minimum_count, WholeNumber(1), "minimum_count")
    require(ngrams, WholeNumber(1), "ngrams")
    if maximum_words is not None:
        require(maximum_words, WholeNumber(1), "maximum_words")
    from sklearn.feature_extraction.text import CountVectorizer

    try:
        counter = CountVectorizer(
            min_df=minimum_count, max_features=maximum_words, binary=True, ngram_range=(1, ngrams)
        ).fit(texts)
    except ValueError as error:  # "empty vocabulary", "no terms remain"
        raise DataError(
            f"no word occurs in at least {minimum_count} of the {len(texts)} messages. Lower minimum_count or give "
            "more messages."
        ) from error
    return Vocabulary(tuple(str(word) for word in counter.get_feature_names_out()))


def load_messages(path: str | os.PathLike[str] | None = None) -> tuple[list[str], list[str]]:
    r"""Load the SMS Spam Collection: messages, and for each ``"ham"`` or ``"spam"``.

    Args:
        path: a UTF-8 file of lines ``label TAB message``; by default ``sms-spam/SMSSpamCollection`` in the folder that
            the environment variable ``PELLUCID_DATA`` names.

    Returns:
        The messages and their labels, as `make_dataset` and `bag_of_words` take them.

    Raises:
        DataError: no such file, or a line without label or TAB.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "messages"
        >>> _ = path.write_text("ham\tsee you\nspam\twin cash now\n")
        >>> load_messages(path)
        (['see you', 'win cash now'], ['ham', 'spam'])

    Source: Almeida, Gómez Hidalgo, Yamakami, "Contributions to the study of SMS spam filtering", 2011.
    """
    origin = "and unzip the SMS Spam Collection from https://archive.ics.uci.edu/dataset/228"
    pairs = read_pairs(path, "sms-spam/SMSSpamCollection", "label TAB message", origin)
    return [text for _, text in pairs], [label for label, _ in pairs]
