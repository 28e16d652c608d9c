"""The worked example of spam on the real messages."""

import os
from pathlib import Path

import numpy as np
import pytest

from pellucid.data.text import load_messages
from pellucid_textbook.perceptron import Perceptron
from pellucid_textbook.separable import Separable
from pellucid_textbook.spam import spam_detection


@pytest.fixture(scope="module")
def messages():
    path = Path(os.environ.get("PELLUCID_DATA", "")) / "sms-spam" / "SMSSpamCollection"
    if not path.is_file():
        pytest.skip("PELLUCID_DATA does not name a folder with sms-spam/SMSSpamCollection")
    return load_messages(path)


def test_spam_is_told_by_its_words(messages):
    texts, labels = messages
    assert len(texts) == 5574
    result = spam_detection(texts, labels, seed=0)
    assert result.accuracy > 0.975
    assert result.precision > 0.95
    assert result.recall > 0.85
    assert {"txt", "call"} & set(result.spam_words)
    assert result.fitted.converged
    proof = result.fitted.separability
    assert isinstance(proof, Separable)
    assert proof.verify(result.fitted.x, result.fitted.y)
    assert result.fitted.mistakes <= proof.mistake_bound(result.fitted.x)


def test_averaging_steadies_a_short_training(messages):
    texts, labels = messages
    last, mean = (
        [
            spam_detection(texts, labels, Perceptron(max_epochs=1, shuffle=True, seed=s, averaged=averaged), seed=s)
            for s in range(4)
        ]
        for averaged in (False, True)
    )
    assert np.mean([r.accuracy for r in mean]) > np.mean([r.accuracy for r in last])
    assert np.std([r.precision for r in mean]) < np.std([r.precision for r in last])
