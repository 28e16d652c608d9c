"""Spam recognised by its words: a perceptron on real messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.data import Vocabulary, bag_of_words
from pellucid.data.splits import split_rows
from pellucid_textbook.perceptron import FittedPerceptron, Perceptron
from pellucid_textbook.two_classes import as_two_classes


@dataclass(frozen=True, eq=False)
class SpamDetection:
    """A perceptron that recognises spam by its words, and its quality on unseen messages.

    Attributes:
        fitted: the perceptron; its inputs are ``vocabulary.words``.
        vocabulary: the words of the training messages.
        accuracy: fraction of held-out messages classified correctly.
        precision: fraction of spam among the held-out messages called spam.
        recall: fraction of the held-out spam that was called spam.
        spam_words: the words of greatest weight.
        ham_words: the words of most negative weight.
    """

    fitted: FittedPerceptron
    vocabulary: Vocabulary
    accuracy: float
    precision: float
    recall: float
    spam_words: list[str]
    ham_words: list[str]

    def __str__(self) -> str:
        return (
            f"{len(self.fitted.x):,} messages, {len(self.vocabulary):,} words, {self.fitted.epochs} epochs\n"
            f"held out: accuracy {self.accuracy:.1%}, precision {self.precision:.1%}, "
            f"recall {self.recall:.1%}\n"
            f"for spam: {', '.join(self.spam_words)}\nagainst: {', '.join(self.ham_words)}"
        )


def spam_detection(
    texts: Sequence[str], labels: Sequence[Any], perceptron: Perceptron | None = None, *, seed: int = 0
) -> SpamDetection:
    """Train a perceptron to recognise spam by its words, and measure it on a held-out fifth of the messages.

    Formula:
        z = b + Σ w_k over the words k that occur in the message; spam if z ≥ 0

    The held-out messages have the same fraction of spam as the rest; the words are the training messages' own.

    Args:
        texts: messages, as of `pellucid.data.load_messages`.
        labels: one of two labels for each; the one that sorts last ("spam") is the one looked for.
        perceptron: hyperparameters; None for a shuffled, averaged perceptron with this seed.
        seed: of the split.

    Returns:
        The perceptron, its vocabulary and its held-out metrics.

    Raises:
        ShapeError: there is not one label for each text.
        DataError: the labels are not of two classes, or there are too few of one to hold any out.

    Example:
        >>> print(spam_detection(["win cash now", "see you soon"] * 10, ["spam", "ham"] * 10))
        16 messages, 6 words, 2 epochs
        held out: accuracy 100.0%, precision 100.0%, recall 100.0%
        for spam: win, now, cash
        against: see, soon, you

    Source: Almeida, Gómez Hidalgo & Yamakami, "Contributions to the study of SMS spam filtering", 2011.
    """
    from sklearn.metrics import accuracy_score, precision_score, recall_score

    classes, y = as_two_classes(labels, len(texts))
    parts = split_rows(y, 0.2, seed, stratify=True, classes=[str(name) for name in classes])
    train, held_out = ([texts[int(row)] for row in rows] for rows in parts)
    train_labels, target = (np.asarray(classes)[y[rows]] for rows in parts)
    vocabulary = bag_of_words(train, minimum_count=1)  # a rare word may be all that distinguishes two messages
    perceptron = perceptron or Perceptron(shuffle=True, averaged=True, seed=seed)
    fitted = perceptron.fit(vocabulary.encode(train), train_labels)
    prediction = fitted.predict(vocabulary.encode(held_out))
    spam, ham = fitted.strongest_inputs(vocabulary.words)
    looked_for = {"pos_label": classes[1], "zero_division": 0.0}
    return SpamDetection(
        fitted,
        vocabulary,
        accuracy=float(accuracy_score(target, prediction)),
        precision=float(precision_score(target, prediction, **looked_for)),
        recall=float(recall_score(target, prediction, **looked_for)),
        spam_words=spam,
        ham_words=ham,
    )
