"""Speech recognition: spoken digits, by known and unknown speakers, alone and in strings.

Three questions to 3,000 recordings of ten digits by six speakers. A convolutional network recognises single digits: on
the test recordings of the dataset, and by each speaker in turn whom it has never heard. Another network reads strings
of digits without being told where one ends, by the CTC loss. A support vector machine stands beside each network.

Data: Free Spoken Digit Dataset, 8 kHz, CC BY-SA 4.0.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.special import softmax

import pellucid as pel
from examples import harness
from examples.speech_recognition import pictures
from examples.speech_recognition.sound import BANDS, RATE, STEPS, recordings, spectrograms, strings

TEST, SPEAKER, STRINGS = "test recordings", "a speaker left out, mean of six", "strings of 3 to 5 digits"
CNN, CTC = "convolutional network", "convolutional network, CTC"
SVM = "support vector machine"
CUT = "support vector machine, parts of equal length"
BARS = [
    harness.Bar(TEST, CNN, "accuracy", ">=", 0.975),
    harness.Bar(SPEAKER, CNN, "accuracy", ">=", 0.80),
    harness.Bar(STRINGS, CTC, "word error rate", "<=", 0.10),
]
OFFICIAL = "*_[0-4].wav"
"""The dataset's own test recordings."""


def of_one_digit() -> pel.Network:
    """Three convolutions over the spectrogram, which training shifts in time and pitch."""
    layers: list[pel.Layer] = [pel.BatchNorm(), pel.layers.Reshape((STEPS, BANDS, 1)), pel.layers.RandomShift(2)]
    for filters in (16, 32, 64):
        layers += [
            pel.Conv2D(filters, 3, padding="same", use_biases=False),
            pel.BatchNorm(),
            pel.Activation("relu"),
            pel.MaxPool2D(2),
        ]
    return pel.Network(*layers, pel.Flatten(), pel.Dropout(0.3), pel.Dense(10, "softmax"))


def of_strings() -> pel.Network:
    """From sound to a digit or the blank, sixteen times a second: three convolutions over time."""
    return pel.Network(
        pel.layers.LogMel(RATE, bands=40, window=0.032, hop=0.016, mask_zero=True),
        pel.BatchNorm(),
        pel.layers.Conv1D(64, 5, "relu", padding="same"),
        pel.BatchNorm(),
        pel.layers.MaxPool1D(2),
        pel.layers.Conv1D(128, 5, "relu", padding="same"),
        pel.BatchNorm(),
        pel.layers.MaxPool1D(2),
        pel.layers.Conv1D(128, 5, "relu", padding="same"),
        pel.Dropout(0.2),
        pel.Dense(11),
    )


def fit(network: pel.Network, data: pel.Dataset, setting: harness.Setting, name: str, epochs: int) -> pel.Run:
    """Train with a learning rate that rises and falls, and keep a moving average of the weights."""
    return pel.train(
        network,
        data,
        epochs=epochs,
        optimizer=pel.AdamW(pel.schedules.OneCycle(2e-3, epochs=epochs), weight_decay=0.01),
        average_weights=0.99,
        scale_inputs="none",
        seed=setting.seed,
        folder=setting.folder / name,
        overwrite=True,
    )


def measure(setting: harness.Setting) -> harness.Scores:
    """Train the networks and the support vector machines for the three questions."""
    epochs = 8 if setting.quick else 12
    official = recordings(OFFICIAL)
    data = test_split(official, setting)
    svm = machine(data)
    test = {CNN: fit(of_one_digit(), data, setting, "digits", epochs).result["accuracy"], SVM: accuracy(svm, data)}
    unknown: dict[str, list[float]] = {CNN: [], SVM: []}
    for speaker, data in speakers_left_out(setting):
        run = fit(of_one_digit(), data, setting, f"without-speaker-{speaker}", epochs)
        unknown[CNN].append(run.result["accuracy"])
        unknown[SVM].append(accuracy(machine(data), data))
    return {
        TEST: {method: {"accuracy": value} for method, value in test.items()},
        SPEAKER: {
            method: {"accuracy": float(np.mean(values)), "worst speaker": min(values), "best speaker": max(values)}
            for method, values in unknown.items()
        },
        STRINGS: {CTC: read_strings(official, setting), CUT: read_parts(svm, official, setting)},
    }


def test_split(official: pel.Dataset, setting: harness.Setting) -> pel.Dataset:
    """Spectrograms of the training and test recordings of the dataset."""
    train, test = thinned(official.train, setting), official.held_out
    held_out = spectrograms(test.x), test.y
    return pel.make_dataset(spectrograms(train.x), train.y, name="digits", held_out=held_out)


def thinned(part: pel.data.Part, setting: harness.Setting) -> pel.data.Part:
    """The recordings; of a quick trial every third."""
    return part.take(np.arange(0, len(part), 3)) if setting.quick else part


def speakers_left_out(setting: harness.Setting) -> Iterator[tuple[int, pel.Dataset]]:
    """For each speaker the spectrograms of all others to learn from, and this one's held out."""
    everyone = thinned(recordings().train, setting)
    x, y, speakers = spectrograms(everyone.x), everyone.y, np.asarray(everyone.groups)
    for speaker in np.unique(speakers)[: 1 if setting.quick else None]:
        out = speakers == speaker
        yield int(speaker), pel.make_dataset(x[~out], y[~out], name="digits", held_out=(x[out], y[out]))


def machine(data: pel.Dataset) -> Any:
    """A support vector machine on the same spectrograms, fitted to the training part."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=5)).fit(flat(data.train.x), data.train.y)


def flat(x: np.ndarray) -> np.ndarray:
    """Examples as rows of numbers."""
    return x.reshape(len(x), -1)


def joined(official: pel.Dataset, setting: harness.Setting) -> pel.Dataset:
    """Strings of training recordings to learn from, and of test recordings held out."""
    count = 60 if setting.quick else 1000
    train, test = (
        strings(official.train, count, setting.seed),
        strings(official.held_out, 30 if setting.quick else 300, setting.seed),
    )
    return pel.make_dataset(*train, name="strings", task="transcription", held_out=test)


def read_strings(official: pel.Dataset, setting: harness.Setting) -> dict[str, float]:
    """Train the network that reads strings."""
    result = fit(of_strings(), joined(official, setting), setting, "strings", 1 if setting.quick else 12).result
    return {"word error rate": result["label_error_rate"], "strings without error": result["sequence_accuracy"]}


def accuracy(svm: Any, data: pel.Dataset) -> float:
    """Of a support vector machine on the held-out recordings."""
    return float(svm.score(flat(data.held_out.x), data.held_out.y))


def read_parts(svm: Any, official: pel.Dataset, setting: harness.Setting) -> dict[str, float]:
    """The errors of the support vector machine on strings that are cut into as many equal parts as they have digits."""
    wrong = []
    count = 30 if setting.quick else 300
    for sound, text in zip(*strings(official.held_out, count, setting.seed), strict=True):
        parts = np.array_split(sound[: np.flatnonzero(sound)[-1] + 1], len(text))
        padded = np.stack([np.pad(part[:RATE], ((0, max(0, RATE - len(part))), (0, 0))) for part in parts])
        wrong.append(svm.predict(flat(spectrograms(padded))).astype(str) != list(text))
    exact = float(np.mean([not each.any() for each in wrong]))
    return {"word error rate": float(np.concatenate(wrong).mean()), "strings without error": exact}


def draw(setting: harness.Setting) -> Mapping[str, str]:
    """Draw what is confused, what decided, and how a string is read."""
    official = recordings(OFFICIAL)
    data, run = test_split(official, setting), pel.load(setting.folder / "digits")
    matrices = {TEST: confusion(run, data), "by speakers never heard": np.zeros((10, 10))}
    for speaker, other in speakers_left_out(setting):
        matrices["by speakers never heard"] += confusion(pel.load(setting.folder / f"without-speaker-{speaker}"), other)
    pictures.confusions(matrices, setting.picture("confusions.svg"))

    x, y = data.held_out.x, data.held_out.y
    if not setting.quick:  # an explanation checks its derivatives by differences, which takes seconds
        shown = [int(np.flatnonzero(y == digit)[2]) for digit in (1, 3, 6, 9)]
        explanations: list[Any] = [run.explain(x[i], y[i]).attribution for i in shown]
        titles = [f"{y[i]}, heard as {run.predict(x[i : i + 1])[0]}" for i in shown]
        moved = [explanation.integrated for explanation in explanations]
        pictures.heard(x[shown], titles, moved, setting.picture("heard.png"))

    reader, unseen = pel.load(setting.folder / "strings"), strings(official.held_out, 20, setting.seed)
    longest = int(np.argmax([len(text) for text in unseen[1]]))
    sound, text = unseen[0][longest : longest + 1], unseen[1][longest]
    steps = softmax(reader.outputs(sound)[0], axis=1)
    pictures.read(sound[0, :, 0], steps, text, str(reader.predict(sound)[0]), setting.picture("string.svg"))
    return {"doctor": str(run.diagnose(data))}


def confusion(run: pel.Run, data: pel.Dataset) -> np.ndarray:
    """Counts of the held-out recordings by digit spoken and digit heard."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(data.held_out.y, run.predict(data.held_out.x), labels=range(10))
