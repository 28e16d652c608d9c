"""Chatbot: 150 intents, and knowing when it does not know.

Two small networks read a sentence and say which of 150 intents it has: one reads its words and pairs of words, the
other the mean of learnt word vectors. Their mean answers; where it is spread over many intents, the sentence is taken
to be out of scope. ``python -m examples.chatbot.chat`` talks with them.

Data: CLINC150, official parts: 15,000 sentences to learn from, 3,000 for validation and 4,500 to test; 100 sentences
out of scope for validation and 1,000 to test (Larson et al., An Evaluation Dataset for Intent Classification and
Out-of-Scope Prediction, 2019; https://github.com/clinc/oos-eval, CC BY 3.0).
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import pellucid as pel
from examples import harness
from examples.chatbot import pictures
from examples.harness import Bar, Scores, Setting
from examples.pictures import Words, draw_words

TEST = "official test sentences"
BOTH = "both networks"
BARS = [Bar(TEST, BOTH, "in-scope accuracy", ">=", 0.90), Bar(TEST, BOTH, "out-of-scope AUROC", ">=", 0.90)]


class Sentences(NamedTuple):
    """Sentences and their intents."""

    texts: list[str]
    intents: list[str]


def read(part: str, quick: bool = False) -> Sentences:
    """An official part: ``train``, ``val``, ``test``, ``oos_val`` or ``oos_test``; a trial has every tenth intent."""
    path = harness.find("clinc150/data_full.json", "https://github.com/clinc/oos-eval, folder data")
    parts = json.loads(path.read_text(encoding="utf-8"))
    known = sorted({intent for _, intent in parts["train"]})[:: 10 if quick else 1]
    rows = [(text, intent) for text, intent in parts[part] if intent in (*known, "oos")]
    return Sentences([text for text, _ in rows], [intent for _, intent in rows])


class Bot(NamedTuple):
    """Two trained networks that answer together."""

    bag: pel.Run
    vectors: pel.Run
    threshold: float
    """Entropy above which a sentence is taken to be out of scope."""

    @property
    def intents(self) -> np.ndarray:
        """The names of the intents, in the order of the probabilities."""
        return np.array(self.bag.facts.classes)

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """The probability of each intent, ``(texts, intents)``: the mean of both networks'."""
        return (self.bag.outputs(texts) + self.vectors.outputs(texts)) / 2

    def why(self, text: str) -> list[tuple[str, float]]:
        """How much of the answer's probability is lost without each of the words."""
        words = text.split()
        without = [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))]
        probabilities = self.probabilities([text, *without])
        answer = probabilities[0].argmax()
        return list(zip(words, (probabilities[0] - probabilities[1:])[:, answer].tolist(), strict=True))


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """How spread the probabilities of each sentence are, in bits: 0 where one intent is certain."""
    return -(probabilities * np.log2(np.maximum(probabilities, 1e-12))).sum(axis=1)


def as_bags(setting: Setting) -> pel.Dataset:
    """The sentences as the words and the pairs of words that they hold; the test sentences are held out."""
    learn, test = read("train", setting.quick), read("test", setting.quick)
    words = pel.data.bag_of_words(learn.texts, ngrams=2, maximum_words=6000)
    held_out = words.encode(test.texts), test.intents
    x = words.encode(learn.texts)
    return pel.make_dataset(x, learn.intents, encoder=words, held_out=held_out, preprocessing="none")


def as_tokens(setting: Setting) -> pel.Dataset:
    """The sentences as numbers of words, in their order."""
    learn, test = read("train", setting.quick), read("test", setting.quick)
    return pel.data.load_texts(learn._asdict(), "texts", "intents", held_out=test._asdict())


def train(setting: Setting) -> Bot:
    """Train both networks, and choose the threshold on the validation sentences."""
    settings: dict[str, Any] = {"batch_size": 64, "seed": setting.seed, "overwrite": True}
    bags, tokens = as_bags(setting), as_tokens(setting)
    outputs = pel.Dense(len(bags.classes), "softmax")

    network = pel.Network(pel.Dense(256, "relu"), pel.Dropout(0.6), outputs)
    bag = pel.train(network, bags, learning_rate=0.001, epochs=8, folder=setting.folder / "bag", **settings)

    vocabulary = tokens.encoder.vocabulary  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    network = pel.Network(
        pel.Embedding(vocabulary, 128, mask_zero=True),
        pel.layers.MeanOverTime(),
        pel.Dense(256, "relu"),
        pel.Dropout(0.6),
        outputs,
    )
    folder = setting.folder / "vectors"
    vectors = pel.train(network, tokens, learning_rate=0.003, epochs=14, folder=folder, **settings)

    threshold = choose_threshold(Bot(bag, vectors, np.inf), setting)
    (setting.folder / "threshold.json").write_text(json.dumps(threshold))
    return Bot(bag, vectors, threshold)


def choose_threshold(bot: Bot, setting: Setting) -> float:
    """The entropy that tells the two kinds of validation sentences apart best: the largest sum of the two rates."""
    inside, outside = (entropy(bot.probabilities(read(part, setting.quick).texts)) for part in ("val", "oos_val"))
    candidates = np.sort(np.concatenate([inside, outside]))
    rates = [(inside <= value).mean() + (outside > value).mean() for value in candidates]
    return float(candidates[np.argmax(rates)])


def load(folder: Path) -> Bot:
    """The bot that was trained into a folder."""
    threshold = json.loads((folder / "threshold.json").read_text())
    return Bot(pel.load(folder / "bag"), pel.load(folder / "vectors"), threshold)


def measure(setting: Setting) -> Scores:
    """Accuracy in scope, and how well sentences out of scope are told apart; of the networks and a linear model."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    bot = train(setting)
    test, outside, learn = (read(part, setting.quick) for part in ("test", "oos_test", "train"))
    intents, right = bot.intents, np.array(test.intents)

    def scores(inside: np.ndarray, unsure_inside: np.ndarray, unsure_outside: np.ndarray) -> dict[str, float]:
        accuracy = float((intents[inside.argmax(axis=1)] == right).mean())
        return {"in-scope accuracy": accuracy, "out-of-scope AUROC": auroc(unsure_inside, unsure_outside)}

    answers = {BOTH: bot.probabilities, **alone(bot)}
    given = {name: (answer(test.texts), answer(outside.texts)) for name, answer in answers.items()}
    table = {name: scores(inside, entropy(inside), entropy(beyond)) for name, (inside, beyond) in given.items()}
    inside, beyond = given[BOTH]
    known = entropy(inside) <= bot.threshold
    table[BOTH] |= {
        "accuracy with refusals": float((known & (intents[inside.argmax(axis=1)] == right)).mean()),
        "out-of-scope recall": float((entropy(beyond) > bot.threshold).mean()),
    }
    linear = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC(random_state=0))
    inside, beyond = (linear.fit(learn.texts, learn.intents).decision_function(part.texts) for part in (test, outside))
    table["linear SVM on TF-IDF"] = scores(inside, -inside.max(axis=1), -beyond.max(axis=1))
    return {TEST: table}


def alone(bot: Bot) -> dict[str, Any]:
    """What each network answers by itself."""
    return {"words and pairs alone": bot.bag.outputs, "word vectors alone": bot.vectors.outputs}


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """The probability that a sentence out of scope is unsurer than one in scope."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(np.repeat([0, 1], [len(inside), len(outside)]), np.concatenate([inside, outside])))


def draw(setting: Setting) -> dict[str, str]:
    """Draw the words that decided, the ROC curve and the confusion; report what doctor and glass box say."""
    bot = load(setting.folder)
    test, outside = read("test", setting.quick), read("oos_test", setting.quick)
    right = np.array(test.intents)
    answered = bot.intents[bot.probabilities(test.texts).argmax(axis=1)]
    refused = entropy(bot.probabilities(outside.texts)) > bot.threshold

    shown = [*some(test.texts, right == answered, 3), *some(test.texts, right != answered, 2)]
    shown += [*some(outside.texts, refused, 2), *some(outside.texts, ~refused, 1)]
    meant = dict(zip(test.texts, test.intents, strict=True))
    captions = [caption(bot, text, meant.get(text, "out of scope")) for text in shown]
    words = [Words(title, *zip(*bot.why(text), strict=True)) for title, text in zip(captions, shown, strict=True)]
    draw_words(setting.picture("words.svg"), words)
    answers = {BOTH: bot.probabilities, **alone(bot)}
    unsure = {name: (entropy(of(test.texts)), entropy(of(outside.texts))) for name, of in answers.items()}
    pictures.draw_roc(setting.picture("roc.svg"), unsure, bot.threshold)
    pictures.draw_confusion(setting.picture("confusion.svg"), right, answered)
    return {
        "doctor": f"words and pairs: {bot.bag.diagnose(as_bags(setting))}\n\n"
        f"word vectors: {bot.vectors.diagnose(as_tokens(setting))}",
        "inputs": inputs_that_mattered(bot.bag, shown[0]),
    }


def some(texts: list[str], chosen: np.ndarray, count: int) -> list[str]:
    """Texts of at most ten words, evenly from all that are chosen."""
    rows = [text for text, one in zip(texts, chosen, strict=True) if one and len(text.split()) <= 10]
    return [rows[i] for i in np.linspace(0, len(rows) - 1, count).astype(int)] if rows else []


def caption(bot: Bot, text: str, meant: str) -> str:
    """The answer to a text in words, and what was meant where it is another."""
    probabilities = bot.probabilities([text])
    intent = str(bot.intents[probabilities[0].argmax()])
    known = "" if entropy(probabilities)[0] <= bot.threshold else "refused; nearest: "
    right = "" if intent == meant else f" (meant: {meant})"
    return f"{known}{intent}, {probabilities[0].max():.0%}{right}".replace("_", " ")


def inputs_that_mattered(run: pel.Run, text: str) -> str:
    """The inputs of one text that moved the answer of the words and pairs, by integrated gradients."""
    explanation = run.explain(text, str(run.predict([text])[0]))
    attribution: Any = explanation.attribution
    words: Any = run.facts.encoder
    order = np.argsort(-np.abs(attribution.integrated))[:8]
    lines = [f"{words.words[i]:24}{attribution.integrated[i]:+.3f}" for i in order if attribution.integrated[i]]
    total = f"all inputs: {attribution.integrated.sum():+.3f} = f(x) − f(0), for f = {attribution.output}"
    return "\n".join([f'"{text}": {run.predict([text])[0]}', *lines, total])
