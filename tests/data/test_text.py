"""Messages: reading them, and their words as inputs."""

import json

import numpy as np
import pytest

from pellucid.core.errors import DataError, InvalidValue
from pellucid.data.arrays import Encoder
from pellucid.data.text import Vocabulary, bag_of_words, load_messages

TEXTS = ["Win cash NOW!", "cash for you, cash", "see you now", "élan vital"]


def test_several_words_in_a_row_are_an_input_of_their_own():
    texts = ["a new credit card", "my credit card is new", "credit where it is due"]
    words = bag_of_words(texts, ngrams=2)
    assert words.words == ("card", "credit", "credit card", "is", "new")
    assert words.encode(["card credit", "the credit card"])[:, words.words.index("credit card")].tolist() == [0, 1]
    assert bag_of_words(texts).words == ("card", "credit", "is", "new")
    with pytest.raises(InvalidValue, match="ngrams"):
        bag_of_words(texts, ngrams=0)


def test_encode_marks_exactly_the_words_of_each_message():
    words = bag_of_words(TEXTS, minimum_count=1)
    for text, row in zip(TEXTS, words.encode(TEXTS), strict=True):
        marked = {word for word, mark in zip(words.words, row, strict=True) if mark}
        assert marked == set(text.lower().replace("!", "").replace(",", "").split())


def test_minimum_count_counts_messages_and_maximum_words_keeps_the_frequent():
    assert bag_of_words(TEXTS, minimum_count=2).words == ("cash", "now", "you")
    assert bag_of_words([*TEXTS, "cash", "cash now"], minimum_count=1, maximum_words=2).words == ("cash", "now")


def test_the_vocabulary_survives_json_and_ignores_unknown_words():
    words = bag_of_words(TEXTS)
    assert Vocabulary.from_dict(json.loads(json.dumps(words.to_dict()))) == words
    assert Encoder.restore(json.loads(json.dumps(words.to_dict()))) == words
    with pytest.raises(DataError, match="no Encoder has the fields letters"):
        Encoder.restore({"letters": []})
    assert not words.encode(["nothing known"]).any()


def test_faulty_vocabularies_are_refused():
    with pytest.raises(DataError, match=r"at least 3 of the 4 messages"):
        bag_of_words(TEXTS, minimum_count=3)
    with pytest.raises(InvalidValue, match=r"minimum_count must be a whole number of at least 1.*0"):
        bag_of_words(TEXTS, minimum_count=0)
    with pytest.raises(DataError, match="Received 0 words"):
        Vocabulary(())
    with pytest.raises(DataError, match="distinct"):
        Vocabulary(("now", "now"))
    with pytest.raises(DataError, match="Received one text: 'win cash'"):
        bag_of_words(TEXTS).encode("win cash")


def test_a_line_without_label_is_named(tmp_path):
    (tmp_path / "messages").write_text("ham\tfine\u2028still fine\nno label here\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 2 .*'no label here'"):
        load_messages(tmp_path / "messages")


def test_an_absent_collection_says_where_to_get_and_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"sms-spam.SMSSpamCollection.*archive.ics.uci.edu.*PELLUCID_DATA"):
        load_messages()


def test_the_real_collection(shared_data):
    texts, labels = load_messages()
    assert (len(texts), labels.count("spam"), labels.count("ham")) == (5574, 747, 4827)
    encoded = bag_of_words(texts, minimum_count=5).encode(texts)
    assert encoded.dtype == np.uint8
    assert encoded.sum(axis=0).min() >= 5
