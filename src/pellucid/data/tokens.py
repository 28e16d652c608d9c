"""Texts as sequences of tokens, by a tokenizer that is trained on them or loaded."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.constraints import OneOf, WholeNumber, require
from pellucid.core.errors import DataError, InvalidValue, MissingExtra, did_you_mean
from pellucid.core.interface import option
from pellucid.data.arrays import Dataset, Encoder, Part
from pellucid.data.build import load_table
from pellucid.data.preprocessing import Preprocessing
from pellucid.data.reading import read_table
from pellucid.data.table import Table, Texts, normal
from pellucid.data.tables import TableEncoder

VOCABULARY = 8000
"""Most tokens of a trained tokenizer by default."""
LENGTH = 256
"""Most tokens of a text by default, where the training texts have as many."""
UNKNOWN = "[UNK]"


@dataclass(frozen=True)
class TokenEncoder(Encoder):
    """Conversion of texts to tokens, numbers from 1 on with 0 behind them, float32 ``(texts, length)``.

    Args:
        tokenizer: of Hugging Face's ``tokenizers``, as it writes itself to ``tokenizer.json``.
        vocabulary: numbers that there are, 0 for padding among them.
        length: most tokens of a text; more are cut off.
        table: the column of the texts, and those of the targets.
    """

    to_vector = "global_average_pool"
    of_texts = True

    tokenizer: str
    vocabulary: int
    length: int
    table: TableEncoder

    @property
    def front(self) -> tuple[dict[str, Any], ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """A vector for each token."""
        return ({"name": "embedding", "vocabulary": self.vocabulary, "units": 64},)

    @property
    def text(self) -> str:
        """The column of the texts."""
        return self.table.columns[0].name

    def names_of(self, x: np.ndarray) -> tuple[str, ...]:
        """The tokens of an example, those of padding empty."""
        tokens = self.decode(x.tolist())
        return (*tokens, *[""] * (len(x) - len(tokens)))

    def encode(self, source: Any) -> np.ndarray:
        """The tokens of texts: a list of them, or a table that has them in the column of the training.

        Raises:
            DataError: one text instead of a list, or a table without that column.
        """
        return self.encode_texts(self.texts_of(source))

    def encode_with_targets(self, source: Any) -> tuple[np.ndarray, Any]:
        """The tokens of the texts of a table, and its targets."""
        table = self.table.read(source)
        return self.encode(table), self.table.targets_of(table)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """The tokens of texts; a text without any is one unknown token."""
        encodings = _tokenizer(self.tokenizer).encode_batch(list(texts), add_special_tokens=False)
        out = np.zeros((len(texts), self.length), np.float32)
        for row, encoding in zip(out, encodings, strict=True):
            numbers = encoding.ids[: self.length] or [0]
            row[: len(numbers)] = numbers
            row[: len(numbers)] += 1
        return out

    def decode(self, tokens: Iterable[Any]) -> list[str]:
        """The tokens of an example as they are written.

        Args:
            tokens: numbers, with 0 for padding.
        """
        tokenizer = _tokenizer(self.tokenizer)
        return [tokenizer.decode([int(token) - 1], skip_special_tokens=False) for token in tokens if token > 0]

    def texts_of(self, source: Any) -> list[str]:
        """The texts of a list, or of the column of a table."""
        if isinstance(source, str) and not _is_file(source):
            raise DataError(f"encode needs a list of texts. Received one: {source!r:.60}. Write [text].")
        texts: Any = source.tolist() if hasattr(source, "tolist") else source  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(texts, (list, tuple)) and all(text is None or isinstance(text, str) for text in texts):
            return [text or "" for text in texts]
        table = self.table.read(source)
        return [text or "" for text in table.texts(table.find(self.text)).to_list()]


def load_texts(
    source: Any,
    text: str,
    target: str | Sequence[str],
    *,
    tokenizer: Any = "words",
    length: int | None = None,
    held_out: Any = 0.2,
    header: bool = True,
    names: Sequence[str] = (),
    na: Sequence[str] | None = None,
    encoding: str | None = None,
    **options: Any,
) -> Dataset:
    """Make a `Dataset` from a table's column of texts, as sequences of tokens, and its target columns.

    The tokenizer is trained on the texts to learn from, unless it is given. An `Embedding` with ``mask_zero=True``
    reads the tokens; networks given by name or units begin with one.

    Args:
        source: as for `load_table`.
        text: the column of texts.
        target: the column to predict, or several.
        tokenizer: ``"words"`` (words and marks in lower case), ``"wordpiece"`` or ``"bpe"`` (pieces of words), or a
            table of a name and the size of the ``vocabulary`` (at most; 8,000 by default), such as ``{"name": "bpe",
            "vocabulary": 2000}``; the path of a ``tokenizer.json``; or a ``Tokenizer``.
        length: most tokens of a text, more are cut off; by default the longest of the training texts, at most 256.
        held_out: as for `load_table`.
        header: as for `load_table`.
        names: as for `load_table`.
        na: as for `load_table`.
        encoding: as for `load_table`.
        options: ``task``, ``weights``, ``time``, ``group``, ``missing`` and ``seed`` of `load_table`.

    Raises:
        DataError: a column that is not there, or a tokenizer that cannot be read.
        InvalidValue: an unknown tokenizer, or a vocabulary or length below 1.
        MissingExtra: tokenizers is not installed.

    Source: Sennrich, Haddow, Birch, Neural machine translation of rare words with subword units, 2016.
    """
    if length is not None:
        require(length, WholeNumber(1), "length")
    reading: dict[str, Any] = {"header": header, "names": names, "na": na, "encoding": encoding}
    train, texts = _numbered(source, text, 0, reading)
    if isinstance(held_out, (PathLike, Mapping, Table)) or _is_file(held_out) or hasattr(held_out, "columns"):
        held_out, more = _numbered(held_out, text, len(texts), reading)
        texts = texts + more
    # Rows are divided, and targets read, as those of any table whose one input is the number of the row.
    kinds = {name: "ignored" for name in train.columns if name != normal(text)}
    data = load_table(train, target, columns=kinds, held_out=held_out, **options)
    assert isinstance(data.encoder, TableEncoder)
    learnt = [texts[row] for row in data.train.x[:, 0].astype(int)]
    fitted = _fitted(tokenizer, learnt)
    counts = np.array([len(e.ids) for e in fitted.encode_batch(learnt, add_special_tokens=False)])
    longest = max(1, int(counts.max()))
    length = min(longest, LENGTH) if length is None else length
    columns = tuple(replace(c, kind="text") if c.name == normal(text) else c for c in data.encoder.columns)
    columns = tuple(sorted(columns, key=lambda column: column.kind != "text"))
    table = replace(data.encoder, columns=columns, positions=tuple(map(normal, names)))
    encoder = TokenEncoder(fitted.to_str(), fitted.get_vocab_size() + 1, length, table)

    def encoded(part: Part | None) -> Part | None:
        if part is None:
            return None
        return replace(part, x=encoder.encode_texts([texts[row] for row in part.x[:, 0].astype(int)]), missing=None)

    part = encoded(data.train)
    assert part is not None
    notes = [f"{encoder.vocabulary - 1:,} tokens; texts of {np.median(counts):.0f} on average, at most {longest}"]
    if longest > length:
        cut = int((counts > length).sum())
        notes.append(
            f"{cut:,} of {len(counts):,} training texts have more than {length} tokens and are cut off; for more, say "
            f"{option('length', longest)}"
        )
    return replace(
        data,
        train=part,
        held_out=encoded(data.held_out),
        features=(),
        preprocessing=Preprocessing(),
        encoder=encoder,
        scaling=None,
        notes=(*(note for note in data.notes if normal(text) not in note), *notes),
    )


def _numbered(source: Any, text: str, first: int, reading: Mapping[str, Any]) -> tuple[Table, list[str]]:
    """A table with the numbers of its rows in place of its texts, and these."""
    table = read_table(source, **{**reading, "texts": (text,)})
    name = table.find(text)
    texts = table.columns[name]
    if not isinstance(texts, Texts):
        raise DataError(f"the column {name!r} of {table.source} holds numbers or times, not texts.")
    numbers = np.arange(first, first + table.rows, dtype=np.float64)
    return replace(table, columns={**table.columns, name: numbers}), [one or "" for one in texts.to_list()]


def _is_file(source: Any) -> bool:
    return isinstance(source, (str, PathLike)) and len(str(source)) < 1000 and Path(source).is_file()


# ---- Tokenizers ----


def _words() -> tuple[Any, Any]:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer, trainers.WordLevelTrainer


def _wordpiece() -> tuple[Any, Any]:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    return tokenizer, trainers.WordPieceTrainer


def _bpe() -> tuple[Any, Any]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()  # every byte, so that no text is unknown

    def trainer(**options: Any) -> Any:
        return trainers.BpeTrainer(initial_alphabet=alphabet, **options)

    return tokenizer, trainer


TOKENIZERS: dict[str, Callable[[], tuple[Any, Any]]] = {"words": _words, "wordpiece": _wordpiece, "bpe": _bpe}
"""Tokenizers by name: one that knows nothing yet, and what makes its trainer."""


def _fitted(given: Any, texts: Sequence[str]) -> Any:
    """The tokenizer that is given, or one of that name trained on texts."""
    package = _package()
    if isinstance(given, package.Tokenizer):
        return _plain(package.Tokenizer.from_str(given.to_str()))
    if _is_file(given):
        try:
            return _plain(package.Tokenizer.from_file(str(given)))
        except Exception as error:  # the package raises nothing narrower
            raise DataError(f"{str(given)!r} is not the file of a tokenizer: {error}.") from error
    table: Any = {"name": given} if isinstance(given, str) else given
    if not isinstance(table, Mapping) or not {"name"} <= set(table) <= {"name", "vocabulary"}:
        raise InvalidValue(
            "tokenizer is a name, a table of name and vocabulary, a file tokenizer.json, or a Tokenizer. Received: "
            f"{given!r:.60}. Names: {', '.join(TOKENIZERS)}."
        )
    name, vocabulary = str(table["name"]), table.get("vocabulary", VOCABULARY)
    near = did_you_mean(name, TOKENIZERS).strip()
    require(name, OneOf(tuple(TOKENIZERS)), "tokenizer", f"{near} Or give the path of a tokenizer.json.".strip())
    require(vocabulary, WholeNumber(1), "vocabulary of the tokenizer")
    tokenizer, trainer = TOKENIZERS[name]()
    special, prefix = [UNKNOWN], getattr(tokenizer.model, "continuing_subword_prefix", None)
    if prefix:
        # The trainer numbers the letters inside words as it meets them, in an order that changes from run to run.
        letters = sorted({letter for text in texts for letter in tokenizer.normalizer.normalize_str(text)})
        special += [prefix + letter for letter in letters if not letter.isspace()]
    options = {"vocab_size": vocabulary, "min_frequency": 2, "special_tokens": special, "show_progress": False}
    tokenizer.train_from_iterator(texts, trainer(**options))
    written = json.loads(tokenizer.to_str())
    written["added_tokens"] = [token for token in written["added_tokens"] if token["content"] == UNKNOWN]
    return package.Tokenizer.from_str(json.dumps(written))


def _plain(tokenizer: Any) -> Any:
    """A tokenizer that neither cuts off nor fills up, which its encoder does."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@lru_cache(maxsize=8)
def _tokenizer(text: str) -> Any:
    return _package().Tokenizer.from_str(text)


def _package() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise MissingExtra("tokenizers", "tokenizers", "Turning texts into tokens") from error
    return tokenizers
