"""Sentence pairs for translation: words as numbers, split by distinct sentences."""

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from itertools import takewhile
from operator import or_
from typing import Any

import numpy as np

from pellucid.core.constraints import WholeNumber, require
from pellucid.core.errors import DataError
from pellucid.data.arrays import Dataset, Encoder, Part
from pellucid.data.reading import pairs_path, read_pairs
from pellucid.data.splits import FRACTION, group_rows

SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
"""The first words of every lexicon, by their numbers 0 to 3."""
PAD, START, END, UNKNOWN = range(4)
FILE = "translation/fra-eng.zip"
"""Default file of pairs, in the folder ``PELLUCID_DATA``."""

_WORD = re.compile(r"[^\W_]+'?|[^\w\s]")


def words_of(sentence: str) -> list[str]:
    """Split a sentence into words and marks, in lower case.

    Example:
        >>> words_of("J’ai froid !")
        ["j'", 'ai', 'froid', '!']
    """
    return _WORD.findall(sentence.lower().replace("’", "'"))


def sentence_of(words: Iterable[str]) -> str:
    """Join words and marks to a sentence.

    Example:
        >>> sentence_of(["est", "-", "ce", "qu'", "il", "pleut", "?"])
        "est-ce qu'il pleut?"
    """
    text = re.sub(r" ([.,?!;:%)])", r"\1", " ".join(words))
    return text.replace("' ", "'").replace(" - ", "-").replace("( ", "(")


@dataclass(frozen=True)
class Lexicon:
    """The words of a language by number, `SPECIAL` first.

    Args:
        words: distinct, `SPECIAL` first.

    Raises:
        DataError: other words first, or the same word twice.

    Example:
        >>> lexicon = Lexicon.of([["see", "you"], ["you", "win"]], minimum_count=2)
        >>> lexicon.words, lexicon.encode(["you", "lose"])
        (('<pad>', '<start>', '<end>', '<unknown>', 'you'), [4, 3])
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.words[:4] != SPECIAL or len(set(self.words)) != len(self.words):
            raise DataError(f"a lexicon is a list of distinct words that begins with {', '.join(SPECIAL)}.")

    def __len__(self) -> int:
        return len(self.words)

    @staticmethod
    def of(sentences: Iterable[Sequence[str]], minimum_count: int) -> "Lexicon":
        """Collect words that occur at least ``minimum_count`` times, frequent ones first."""
        counts = Counter(word for sentence in sentences for word in sentence)
        kept = [word for word, count in counts.items() if count >= minimum_count]
        return Lexicon((*SPECIAL, *sorted(kept, key=lambda word: (-counts[word], word))))

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The number of each word."""
        return {word: number for number, word in enumerate(self.words)}

    def encode(self, words: Iterable[str]) -> list[int]:
        """The numbers of words; that of ``<unknown>`` for an unknown one."""
        return [self.numbers.get(word, UNKNOWN) for word in words]

    def decode(self, numbers: Iterable[Any]) -> list[str]:
        """The words of numbers, up to the first ``<end>``."""
        return [self.words[int(number)] for number in takewhile(lambda number: number != END, numbers)]


@dataclass(frozen=True, eq=False)
class SentencePairs(Part):
    """Sentence pairs as word numbers, int32: a `Part` that keeps its sentences.

    ``x`` is the pair (source, shifted): the source ``(pairs, source_steps)``, padded in front, so that a recurrent
    layer's state before the first word is zero; and ``<start>`` followed by the target ``(pairs, target_steps)``, what
    the decoder reads. ``y`` is the target followed by ``<end>``, what the decoder learns to write.

    Args:
        pairs: the sentences themselves, an array of str ``(pairs, 2)``.
    """

    pairs: np.ndarray = field(kw_only=True)


@dataclass(frozen=True)
class SentenceEncoder(Encoder):
    """Conversion of sentences to word numbers, and back.

    Args:
        source: the words of the language to read.
        target: the words of the language to write.
        source_steps: most words and marks of a source sentence.
        target_steps: most words and marks of a target sentence, plus one for the end.

    Example:
        >>> encoder = SentenceEncoder(Lexicon.of([["go", "!"]], 1), Lexicon.of([["va", "!"]], 1), 3, 3)
        >>> encoder.encode(["Go!", "Stop!"])
        array([[0, 5, 4],
               [0, 3, 4]], dtype=int32)
        >>> encoder.decode([[5, 4, 2]])
        ['va!']
    """

    source: Lexicon
    target: Lexicon
    source_steps: int
    target_steps: int

    def encode(self, source: Sequence[str]) -> np.ndarray:
        """Word numbers of source sentences, int32 ``(sentences, source_steps)``, padded in front.

        Raises:
            DataError: a sentence without words, or of more words than ``source_steps``.
        """
        rows = []
        for sentence in source:
            words = words_of(sentence)
            if not 0 < len(words) <= self.source_steps:
                raise DataError(
                    f"a sentence must have 1 to {self.source_steps} words and marks. Received {len(words)}: "
                    f"{sentence[:60]!r}."
                )
            rows.append([PAD] * (self.source_steps - len(words)) + self.source.encode(words))
        return np.array(rows, np.int32).reshape(len(source), self.source_steps)

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> SentencePairs:
        """Sentence pairs as a part of a dataset."""
        target = [self.target.encode(words_of(target)) for _, target in pairs]
        shifted = np.array([_filled([START, *numbers], self.target_steps) for numbers in target], np.int32)
        y = np.array([_filled([*numbers, END], self.target_steps) for numbers in target], np.int32)
        source = self.encode([source for source, _ in pairs])
        return SentencePairs((source, shifted), y, pairs=np.array(pairs, object).reshape(len(pairs), 2))

    def decode(self, targets: Iterable[Iterable[Any]]) -> list[str]:
        """Sentences of the target language from their word numbers."""
        return [sentence_of(self.target.decode(numbers)) for numbers in targets]


def load_pairs(path: str | os.PathLike[str] | None = None, *, maximum_words: int = 5) -> list[tuple[str, str]]:
    r"""Load pairs of a sentence and its translation.

    Args:
        path: a text file of lines ``source TAB target``, or a zip file of one; by default the English and French of
            ``translation/fra-eng.zip`` in the folder that the environment variable ``PELLUCID_DATA`` names.
        maximum_words: pairs whose source has more words (between spaces), or whose target has more than twice as many
            words and marks, are left out; at least 1.

    Raises:
        DataError: no such file, or a line without TAB.
        InvalidValue: ``maximum_words`` below 1.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "pairs.txt"
        >>> _ = path.write_text("Go.\tVa !\nI would have been there by now.\tJ'y serais.\n")
        >>> load_pairs(path)
        [('Go.', 'Va !')]

    Source: Tatoeba project, https://www.manythings.org/anki, CC BY 2.0.
    """
    require(maximum_words, WholeNumber(1), "maximum_words")
    origin = "a file such as fra-eng.zip from https://www.manythings.org/anki"
    pairs = [(source, rest.partition("\t")[0]) for source, rest in read_pairs(path, FILE, "source TAB target", origin)]
    return [
        (source, target)
        for source, target in pairs
        if len(source.split()) <= maximum_words and len(words_of(target)) <= 2 * maximum_words
    ]


def prepare_translations(
    pairs: Sequence[tuple[str, str]],
    *,
    minimum_count: int = 3,
    held_out: float = 0.1,
    seed: int = 0,
    name: str = "translations",
    source: str = "sentence pairs in memory",
) -> Dataset:
    """Split sentence pairs and number their words.

    A sentence and its translations, and what these translate too, are a group that is never divided: no held-out
    sentence, of either language, is in the training part, nor is one that is watched during the training.

    Args:
        pairs: source and target, as `load_pairs` returns them.
        minimum_count: rarer words of the training pairs become ``<unknown>``; at least 1.
        held_out: fraction of the groups to hold out, in (0, 1).
        seed: of the draw.
        name: a short name for messages and run folders.
        source: kept in the dataset.

    Returns:
        A dataset with the task ``"translation"``, whose parts are `SentencePairs` and whose encoder is a
        `SentenceEncoder`. Its classes are the words of the target language, from the training pairs alone.

    Raises:
        DataError: too few sentences to split.
        InvalidValue: a count below 1, or a fraction outside (0, 1).

    Example:
        >>> pairs = [("Go.", "Va !"), ("Go.", "Allez !"), ("Run.", "Cours !"), ("Stop.", "Arrête !")]
        >>> data = prepare_translations(pairs, minimum_count=1, held_out=0.3)
        >>> len(data.train), len(data.held_out), data.input_shape, data.classes[4:]
        (3, 1, ((2,), (3,)), ('!', 'allez', 'cours', 'va'))
    """
    require(minimum_count, WholeNumber(1), "minimum_count")
    require(held_out, FRACTION, "held_out")
    groups = groups_of(pairs)
    number = len(np.unique(groups))
    if math.ceil(held_out * number) >= number:
        raise DataError(f"{len(pairs)} pairs, {number} groups that share no sentence, are too few to hold any out.")
    train, drawn = group_rows(groups, held_out, seed)
    learnt = [pairs[row] for row in train]
    encoder = SentenceEncoder(
        Lexicon.of((words_of(source) for source, _ in learnt), minimum_count),
        Lexicon.of((words_of(target) for _, target in learnt), minimum_count),
        max(len(words_of(source)) for source, _ in pairs),
        max(len(words_of(target)) for _, target in pairs) + 1,
    )
    whole = replace(encoder.encode_pairs(pairs), groups=groups)
    parts = whole.take(train), whole.take(drawn)
    classes = encoder.target.words
    return Dataset(name, *parts, "translation", classes, encoder=encoder, source=source, order="groups")


def groups_of(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """The number of each pair's group: pairs that share a sentence, of either language, are of one.

    Example:
        >>> groups_of([("Go.", "Va !"), ("Go.", "Allez !"), ("Leave.", "Allez !"), ("Run.", "Cours !")])
        array([0, 0, 0, 1], dtype=int32)
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    sides = [[" ".join(words_of(pair[side])) for pair in pairs] for side in (0, 1)]
    (read, source), (written, target) = (np.unique(side, return_inverse=True) for side in sides)
    size = len(read) + len(written)
    links = coo_array((np.ones(len(pairs)), (source, len(read) + target)), shape=(size, size))
    return connected_components(links, directed=False)[1][source]


def load_translations(
    path: str | os.PathLike[str] | None = None,
    *,
    maximum_words: int = 5,
    minimum_count: int = 3,
    held_out: float = 0.1,
    seed: int = 0,
) -> Dataset:
    r"""Make a `Dataset` from a file of sentence pairs: `load_pairs`, then `prepare_translations`.

    Args:
        path: as for `load_pairs`.
        maximum_words: longer sentences are left out, as by `load_pairs`.
        minimum_count: rarer words become ``<unknown>``.
        held_out: fraction of the groups of sentences to hold out, in (0, 1).
        seed: of the draw.

    Raises:
        DataError: a file that cannot be read, or too few sentences.
        InvalidValue: a setting outside what is allowed.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "pairs.tsv"
        >>> _ = path.write_text("Go.\tVa !\nRun.\tCours !\nStop.\tArrête !\n")
        >>> data = load_translations(path, minimum_count=1)
        >>> data.name, len(data.train), data.train.pairs[0].tolist()
        ('pairs', 2, ['Go.', 'Va !'])
    """
    file, pairs = pairs_path(path, FILE), load_pairs(path, maximum_words=maximum_words)
    options: dict[str, Any] = {"minimum_count": minimum_count, "held_out": held_out, "seed": seed}
    return prepare_translations(pairs, **options, name=file.stem, source=str(file))


def bleu(translations: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> float:
    """BLEU score of translations: their overlap with references.

    Formula:
        BLEU = min(1, e^(1 − r/c)) · (p₁ p₂ p₃ p₄)^¼, p_n the fraction of n-word runs that occur in a reference, each at
        most as often as there; c the words translated, r the words of the references nearest in length

    Args:
        translations: the words of each translation.
        references: for each, the words of every correct one.

    Returns:
        0 to 1; 0 where no run of 4 words is correct.

    Example:
        >>> round(bleu([["il", "fait", "très", "beau", "ici"]], [[["il", "fait", "très", "beau"]]]), 3)
        0.669

    Source: Papineni, Roukos, Ward, Zhu, BLEU: a method for automatic evaluation of machine translation, 2002.
    """
    logarithms = []
    for n in range(1, 5):
        correct = total = 0
        for words, known in zip(translations, references, strict=True):
            runs, most = _runs(words, n), reduce(or_, (_runs(reference, n) for reference in known))
            correct += (runs & most).total()
            total += runs.total()
        if correct == 0:
            return 0.0
        logarithms.append(math.log(correct / total))
    length = sum(map(len, translations))
    nearest = sum(
        min(map(len, known), key=lambda n: (abs(n - len(words)), n))
        for words, known in zip(translations, references, strict=True)
    )
    return math.exp(min(0.0, 1 - nearest / length) + sum(logarithms) / 4)


def _runs(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _filled(numbers: list[int], steps: int) -> list[int]:
    return numbers[:steps] + [PAD] * (steps - len(numbers))
