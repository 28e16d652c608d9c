"""The chatbot on a tenth of its intents, and the chat from end to end."""

import subprocess
import sys

import pytest

from examples import harness
from examples.chatbot import chat, example


@pytest.fixture(scope="module")
def setting(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chatbot")
    return harness.Setting(0, True, folder, folder / "chatbot")


@pytest.fixture(scope="module")
def scores(setting):
    return example.measure(setting)[example.TEST]


def test_intents_are_recognised_and_other_sentences_refused(scores):
    assert scores[example.BOTH]["in-scope accuracy"] > 0.93
    assert scores[example.BOTH]["out-of-scope AUROC"] > 0.9
    assert scores[example.BOTH]["out-of-scope recall"] > 0.7
    assert scores[example.BOTH]["accuracy with refusals"] > 0.85


def test_the_pictures_are_drawn(setting, scores):
    texts = example.draw(setting)
    assert "f(x) − f(0)" in texts["inputs"]
    for name in ("words", "roc", "confusion"):
        assert setting.picture(f"{name}.svg").stat().st_size < 150_000


def test_the_chat_answers_and_says_when_it_does_not_know(setting, scores):
    lines = "please order some more milk\nhow old is the eiffel tower\n"
    command = [sys.executable, "-m", "examples.chatbot.chat", "--why", "--folder", str(setting.folder)]
    said = subprocess.run(command, input=lines, capture_output=True, text=True, check=True, timeout=120).stdout
    first, why, second, _ = said.splitlines()
    assert first == chat.ANSWERS.get("order", "I understand that this is about: order. I have no answer prepared.")
    assert "order +" in why
    assert second == chat.UNKNOWN


def test_answers_are_of_intents(shared_data):
    assert set(chat.ANSWERS) <= set(example.read("train").intents)
