"""Spam filter.

Is a text message spam? A perceptron and a network read its words, pairs of words and marks, weighted by how rare they
are; a linear support vector machine reads the same numbers. A message that was sent several times is in one part only,
so that no held-out message was learnt by heart.

Data: SMS Spam Collection, 5,574 messages, CC BY 4.0 (Almeida, Gómez Hidalgo, Yamakami, 2011).
"""

import re
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import LinearSVC

import pellucid as pel
from examples.harness import Bar, Scores, Setting
from examples.pictures import Words, draw_words
from pellucid.sklearn import Perceptron

DATA = "held-out messages"
BARS = [Bar(DATA, "network", "F1", ">=", 0.95)]
TOKEN = re.compile(r"\w+|[^\w\s]")


def read(message: str) -> str:
    """A message in lower case, every digit a 0: the length of a number tells, not the number."""
    return re.sub(r"\d", "0", message.lower())


def prepare(quick: bool) -> tuple[pel.Dataset, np.ndarray, list[str]]:
    """Messages as numbers, the held-out messages themselves, and what each number stands for.

    A fifth of the messages is held out, the same for all seeds.
    """
    texts, labels = map(np.array, pel.data.load_messages())
    _, same = np.unique(texts, return_inverse=True)
    train, held_out = next(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(texts, labels, same))
    train = train[:1500] if quick else train
    words = TfidfVectorizer(
        preprocessor=read,
        token_pattern=TOKEN.pattern,
        ngram_range=(1, 2),
        min_df=2,
        sublinear_tf=True,
        max_features=500 if quick else None,
    )
    x_train, x = words.fit_transform(texts[train]), words.transform(texts[held_out])
    data = pel.make_dataset(x_train, labels[train], held_out=(x, labels[held_out]), name="spam", preprocessing="none")
    return data, texts[held_out], list(words.get_feature_names_out())


def measure(setting: Setting) -> Scores:
    """F1, precision and recall of spam, and the area under the ROC curve, on the held-out messages."""
    data, _, _ = prepare(setting.quick)
    run = pel.train(
        (64,), data, epochs=8, learning_rate=0.002, seed=setting.seed, folder=setting.folder / "network", overwrite=True
    )
    x, y = data.train.x, data.train.y.ravel()
    perceptron = Perceptron(random_state=setting.seed).fit(x, y)
    machine = LinearSVC(random_state=setting.seed).fit(x, y)
    x = data.held_out.x
    graded = {
        "network": run.outputs(x)[:, 0] - 0.5,
        "perceptron": perceptron.decision_function(x),
        "linear support vector machine": machine.decision_function(x),
    }
    return {DATA: {method: score(data.held_out.y, values) for method, values in graded.items()}}


def score(y: np.ndarray, graded: np.ndarray) -> dict[str, float]:
    """Scores of values that are above 0 for spam."""
    return {
        "F1": f1_score(y, graded > 0),
        "precision": precision_score(y, graded > 0),
        "recall": recall_score(y, graded > 0),
        "ROC AUC": roc_auc_score(y, graded),
    }


def draw(setting: Setting) -> Mapping[str, str]:
    """The words that decided four messages, and what the doctor says."""
    data, messages, features = prepare(setting.quick)
    run, x, y = pel.load(setting.folder / "network"), data.held_out.x, data.held_out.y.ravel()
    spam = run.outputs(x)[:, 0]
    long = np.char.str_len(messages) > 60
    chosen = {
        "Spam, found": np.argmax(spam * y),
        "No spam, let through": np.argmin(np.where((y == 0) & long, spam, 1)),
        "Spam, let through": np.argmin(np.where(y == 1, spam, 1)),
        "No spam, held back": np.argmax(np.where(y == 0, spam, 0)),
    }
    texts = []
    for what, row in chosen.items():
        answer = run.explain(x[row], y[row]).attribution
        said = dict(zip(features, answer.integrated, strict=True))
        words = TOKEN.findall(messages[row])
        texts.append(Words(f"{what}: {spam[row]:.1%} sure that it is spam", words, spread(words, said)))
    draw_words(setting.picture("words.svg"), texts)
    return {"doctor": str(run.diagnose(data))}


def spread(words: list[str], said: Mapping[str, float]) -> list[float]:
    """What each word says: its own part, and half of each pair it stands in; a word twice has half each time."""
    words = [read(word) for word in words]
    pairs = [f"{a} {b}" for a, b in pairwise(words)]
    single = [said.get(word, 0) / words.count(word) for word in words]
    double = [0, *(said.get(pair, 0) / pairs.count(pair) / 2 for pair in pairs), 0]
    return [alone + before + after for alone, (before, after) in zip(single, pairwise(double), strict=True)]
