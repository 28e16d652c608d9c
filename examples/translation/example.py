"""Machine translation: English to French, word by word with attention.

An encoder reads an English sentence of at most six words, a decoder writes it in French, and at every word attention
says which English words matter now.

Data: pairs of sentences of the Tatoeba project, given out by https://www.manythings.org/anki in 2017 (CC BY 2.0 FR).
A sentence, its translations and what these translate too are in one part: no held-out sentence, English or French, has
been read in training.
"""

import re
from collections import Counter
from typing import Any

import numpy as np

import pellucid as pel
from examples.harness import Bar, Scores, Setting
from examples.translation import pictures

DATA = "held-out sentences of at most 6 words"
BARS = [Bar(DATA, "network", "BLEU", ">=", 30)]


def prepare(setting: Setting) -> pel.Dataset:
    """The sentence pairs, split alike for every seed."""
    pairs = pel.data.load_pairs(maximum_words=3 if setting.quick else 6)
    if setting.quick:
        return pel.data.prepare_translations(pairs[:2500], minimum_count=2, held_out=0.1)
    return pel.data.prepare_translations(pairs, minimum_count=5, held_out=0.03)


def train(data: pel.Dataset, setting: Setting) -> pel.Run:
    """Train the translator; the learning rate falls to 0."""
    epochs = 8 if setting.quick else 5
    return pel.train(
        {"name": "translator", "embedding": 64, "units": 64 if setting.quick else 128, "dropout": 0.2},
        data,
        optimizer=pel.Adam(pel.schedules.CosineDecay(0.01, epochs=epochs)),
        epochs=epochs,
        batch_size=16 if setting.quick else 64,
        record_every=100,
        seed=setting.seed,
        folder=setting.folder / "translator",
        overwrite=True,
    )


def measure(setting: Setting) -> Scores:
    """BLEU of the network's translations, and of those of the most similar training sentences."""
    data = prepare(setting)
    run = train(data, setting)
    references = references_of(data)
    translations = translate(run, data, list(references))
    exact = np.mean([text in right for text, right in zip(translations, references.values(), strict=True)])
    given = {"word for word right": float(exact), "next word right": run.history.epochs["held_out_accuracy"][-1]}
    return {
        DATA: {
            "network": scores(translations, references) | given,
            "most similar training sentence": scores(remember(data, list(references)), references),
        }
    }


def references_of(data: pel.Dataset) -> dict[str, list[str]]:
    """All translations of each held-out sentence."""
    references: dict[str, list[str]] = {}
    for source, target in pairs_of(data.held_out):
        references.setdefault(source, []).append(target)
    return references


def pairs_of(part: Any) -> list[tuple[str, str]]:
    """The sentences of a part, apostrophes written alike."""
    return [(source, target.replace("’", "'")) for source, target in part.pairs]


def translate(run: pel.Run, data: pel.Dataset, sentences: list[str]) -> list[str]:
    """Translations with capitals, which the network does not write: as in the training sentences, and at the start."""
    words = [word for _, target in pairs_of(data.train) for word in re.findall(r"\w+", target)[1:]]
    usual = {word.lower(): word for word, _ in reversed(Counter(words).most_common())}
    written = [re.sub(r"\w+", lambda word: usual.get(word[0], word[0]), text) for text in run.translate(sentences)]
    return [text[:1].upper() + text[1:] for text in written]


def remember(data: pel.Dataset, sentences: list[str]) -> list[str]:
    """A translation memory: for each sentence the translation of the training sentence that is most similar."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neighbors import NearestNeighbors

    known = dict(pairs_of(data.train))
    words = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True)
    nearest = NearestNeighbors(n_neighbors=1, metric="cosine").fit(words.fit_transform(known))
    found = nearest.kneighbors(words.transform(sentences), return_distance=False)[:, 0]
    return np.array(list(known.values()), object)[found].tolist()


def scores(translations: list[str], references: dict[str, list[str]]) -> dict[str, float]:
    """sacrebleu's BLEU of whole texts, by all translations of each sentence and by the first alone."""
    import sacrebleu

    most = max(map(len, references.values()))
    columns = [[right[i] if i < len(right) else None for right in references.values()] for i in range(most)]
    every: Any = columns
    return {
        "BLEU": sacrebleu.corpus_bleu(translations, every).score,
        "BLEU, one reference": sacrebleu.corpus_bleu(translations, every[:1]).score,
    }


def draw(setting: Setting) -> dict[str, str]:
    """Draw the attention of some translations; list good and bad ones, and report what the doctor says."""
    data = prepare(setting)
    run = pel.load(setting.folder / "translator")
    references = references_of(data)
    sentences = list(references)
    spread = [sentences[i] for i in np.linspace(0, len(sentences) - 1, 20).astype(int)]
    longest = sorted(spread, key=lambda sentence: -len(sentence.split()))[:4]
    pictures.draw_attention(setting.picture("attention.svg"), [run.align(sentence) for sentence in longest])
    rows = [("English", "network", "in the data")]
    rows += [(text, said, references[text][0]) for text, said in zip(spread, translate(run, data, spread), strict=True)]
    widths = [max(len(row[column]) for row in rows) + 2 for column in (0, 1)]
    table = [f"{source:{widths[0]}}{said:{widths[1]}}{right}" for source, said, right in rows]
    return {"translations": "\n".join(table), "doctor": str(run.diagnose(data))}
