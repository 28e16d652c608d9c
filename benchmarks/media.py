"""Recordings and texts: batches by length beside padded ones, files read while they are trained on beside memory."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Case, say
from benchmarks.workload import Settings, Target, Workload

PADDED, BY_LENGTH = "padded to the longest", "by length"
MEMORY, STREAMED = "in memory", "streamed"
SMS, CLINC, SPOKEN, DIGITS = "SMS spam, LSTM", "CLINC150, LSTM", "spoken digits, GRU, an epoch", "spoken digits, CNN"
EPOCHS, QUICK_EPOCHS = 5, 1


def _folder() -> Path | None:
    folder = os.environ.get("PELLUCID_DATA")
    return Path(folder) if folder and Path(folder).is_dir() else None


def sms(folder: Path) -> Any:
    """Messages, spam or not."""
    import pellucid as pel

    texts, labels = pel.data.load_messages(folder / "sms-spam" / "SMSSpamCollection")
    return pel.data.load_texts({"text": texts, "label": labels}, "text", "label")


def clinc(folder: Path) -> Any:
    """Questions to an assistant, 150 intents, with their own test part."""
    import pellucid as pel

    parts = json.loads((folder / "clinc150" / "data_full.json").read_text("utf-8"))
    train, test = (
        {"text": [text for text, _ in parts[part]], "intent": [intent for _, intent in parts[part]]}
        for part in ("train", "test")
    )
    return pel.data.load_texts(train, "text", "intent", held_out=test)


def spoken(folder: Path, stream: bool) -> Any:
    """Spoken digits, with their own test part."""
    import pellucid as pel

    path = folder / "spoken-digits" / "recordings.zip"
    return pel.data.load_audio(path, file_names="{label}_*", held_out="*_[0-4].wav", seconds=1, stream=stream)


def seconds(network: Any, data: Any, epochs: int, **settings: Any) -> float:
    """Seconds of an epoch, compiled before: those of more epochs, less those of one."""
    import pellucid as pel

    def once(count: int) -> float:
        began = time.perf_counter()
        pel.train(network, data, epochs=count, progress=False, **settings)
        return time.perf_counter() - began

    once(1)
    first = once(1)
    return (once(1 + epochs) - first) / epochs


def compare(name: str, contenders: dict[str, Callable[[int], float]], reference: str, settings: Settings) -> Case:
    """Seconds of an epoch of each contender, in turn."""
    case = Case(name, "s", reference, {who: [] for who in contenders})
    for _ in range(settings.rounds):
        for who, run in contenders.items():
            case.samples[who].append(run(QUICK_EPOCHS if settings.quick else EPOCHS))
    say(f"{name}: " + ", ".join(f"{who} {case.spread(who).median:.2f} s" for who in contenders))
    return case


def accuracy(folder: Path, quick: bool) -> Case:
    """The accuracy on the test recordings of a small convolutional network of spectrograms, given by its name."""
    import pellucid as pel

    run = pel.train("cnn", spoken(folder, stream=False), epochs=1 if quick else 10, progress=False)
    say(f"{DIGITS}: {run.result['accuracy']:.3f}")
    return Case(DIGITS, "accuracy", "pellucid", {"pellucid": [run.result["accuracy"]]})


def measure(settings: Settings) -> list[Case]:
    """All, where the data are here."""
    folder = _folder()
    if folder is None:
        say("not measured: PELLUCID_DATA names no folder of data")
        return []
    lstm, gru = {"name": "lstm", "units": [64]}, {"name": "gru", "units": [64]}
    cases = []
    for name, data in ((SMS, sms(folder)), (CLINC, clinc(folder))):
        contenders = {
            who: lambda epochs, grouped=grouped, data=data: seconds(lstm, data, epochs, group_by_length=grouped)
            for who, grouped in ((PADDED, False), (BY_LENGTH, True))
        }
        cases.append(compare(name, contenders, BY_LENGTH, settings))
    recordings = {who: spoken(folder, stream) for who, stream in ((MEMORY, False), (STREAMED, True))}
    contenders = {
        who: lambda epochs, data=data: seconds(gru, data, epochs, batch_size=32) for who, data in recordings.items()
    }
    cases.append(compare(SPOKEN, contenders, MEMORY, settings))
    return [*cases, accuracy(folder, settings.quick)]


WORKLOAD = Workload(
    "media",
    "Recordings and texts",
    "Seconds of an epoch. Batches of texts of similar length, cut to the longest of them, beside batches padded to the "
    "longest text of all: 4,459 messages of 20 tokens on average and 210 at most, 12,000 questions of 9 and 28. 2,700 "
    "recordings of one second that are read while they are trained on, beside the same in memory. And the accuracy of "
    'the network "cnn" on the 300 test recordings after 10 epochs, raw sound to answer.',
    measure,
    (
        Target(SMS, "padded, over by length", lambda case: case.ratio(PADDED).median, 3),
        Target(CLINC, "padded, over by length", lambda case: case.ratio(PADDED).median, 1.5),
        Target(SPOKEN, "streamed, over in memory", lambda case: case.ratio(STREAMED).median, 1.25, at_least=False),
        Target(DIGITS, "accuracy on the test recordings", lambda case: case.samples["pellucid"][0], 0.95),
    ),
)
