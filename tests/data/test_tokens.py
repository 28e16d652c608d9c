"""Texts as tokens: what the tokenizers keep, what the encoder does with lengths, and runs that take raw texts."""

import numpy as np
import pytest
import tokenizers

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue
from pellucid.data.files import open_file
from pellucid.data.tokens import TOKENIZERS, TokenEncoder, load_texts

GOOD = ["a good film", "good, very good!", "what a fine day", "fine and good", "I liked it: good"]
BAD = ["a bad film", "bad, very bad!", "what a sad day", "sad and bad", "I hated it: bad"]
TABLE = {"text": 4 * (GOOD + BAD), "mood": 4 * (["up"] * 5 + ["down"] * 5), "row": list(range(40))}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "moods.tsv"
    rows = zip(TABLE["mood"], TABLE["text"], strict=True)
    path.write_text("mood\ttext\n" + "".join(f"{mood}\t{text}\n" for mood, text in rows), "utf-8")
    return path


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_tokenizer_is_trained_on_the_texts_to_learn_from_and_kept(name):
    data = load_texts(TABLE, "text", "mood", tokenizer={"name": name, "vocabulary": 300})
    assert isinstance(data.encoder, TokenEncoder)
    assert (data.task, data.classes, data.preprocessing.is_identity) == ("binary", ("down", "up"), True)
    assert data.train.x.max() < data.encoder.vocabulary <= 301
    written = "".join(data.encoder.decode(data.encoder.encode(["good, fine film"])[0]))
    assert written.replace(" ", "").replace("##", "") == "good,finefilm"
    restored = TokenEncoder.restore(data.encoder.to_dict())
    assert restored == data.encoder
    again = load_texts(TABLE, "text", "mood", tokenizer={"name": name, "vocabulary": 300})
    assert again.encoder == data.encoder
    assert again.fingerprint == data.fingerprint


def test_rows_stay_with_their_targets_and_held_out_texts_teach_the_tokenizer_nothing():
    rare = {**TABLE, "text": [*TABLE["text"][:-2], "xylophone bad", "xylophone bad"]}
    data = load_texts(rare, "text", "mood", held_out="last", tokenizer="words")
    assert data.held_out is not None
    for part in (data.train, data.held_out):
        texts = [" ".join(data.encoder.decode(x)) for x in part.x]
        assert [("good" in text or "fine" in text) for text in texts] == (part.labels == 1).tolist()
    assert data.encoder.decode(data.held_out.x[-1]) == ["[UNK]", "bad"]


def test_words_are_those_of_a_regular_expression_in_lower_case():
    data = load_texts(TABLE, "text", "mood")
    assert data.encoder.decode(data.encoder.encode(["A GOOD, film!"])[0]) == ["a", "good", ",", "film", "!"]


def test_longer_texts_are_cut_and_reported_and_empty_ones_are_one_unknown_token():
    data = load_texts(TABLE, "text", "mood", length=3)
    assert data.train.x.shape[1] == 3
    assert any("have more than 3 tokens and are cut off; for more, say length=5" in note for note in data.notes)
    assert data.encoder.encode([""]).tolist() == [[1, 0, 0]]


def test_a_tokenizer_is_loaded_from_its_file_and_its_padding_left_to_the_encoder(tmp_path):
    tokenizer = tokenizers.Tokenizer.from_str(load_texts(TABLE, "text", "mood").encoder.tokenizer)
    tokenizer.enable_padding(length=50)
    tokenizer.enable_truncation(2)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    for given in (tokenizer, str(tmp_path / "tokenizer.json")):
        data = load_texts(TABLE, "text", "mood", tokenizer=given)
        assert data.fingerprint == load_texts(TABLE, "text", "mood").fingerprint


@pytest.mark.parametrize("network", [(8,), {"name": "lstm", "units": [8]}])
def test_a_run_takes_raw_texts(file, tmp_path, network):
    data = open_file(str(file), text="text", target="mood", tokenizer="wordpiece")
    run = pel.train(network, data, epochs=40, learning_rate=0.02, progress=False, folder=tmp_path / "run")
    assert run.network.layers[0].vocabulary == data.encoder.vocabulary
    assert run.network.layers[0].mask_zero
    loaded = pel.load(tmp_path / "run")
    new = ["a very good film", "it was bad, bad"]
    assert loaded.predict(new).tolist() == ["up", "down"]
    assert loaded.predict(np.array(new)).tolist() == ["up", "down"]
    assert loaded.predict({"text": new, "other": [1, 2]}).tolist() == ["up", "down"]
    assert loaded.evaluate(str(file))["binary_accuracy"] == 1
    assert "very good film" in str(loaded.explain(new[0], "up"))


def test_what_cannot_be_made_tokens_is_refused(tmp_path):
    (tmp_path / "broken.json").write_text("{}")
    for options, error, text in (
        ({"text": "row"}, DataError, "'row' of .* holds numbers or times, not texts"),
        ({"tokenizer": "word"}, InvalidValue, r"'words', 'wordpiece', 'bpe'.*Did you mean 'words'"),
        ({"tokenizer": {"name": "bpe", "size": 3}}, InvalidValue, "a table of name and vocabulary"),
        ({"tokenizer": str(tmp_path / "broken.json")}, DataError, "is not the file of a tokenizer"),
        ({"length": 0}, InvalidValue, "length must be a whole number of at least 1"),
    ):
        with pytest.raises(error, match=text):
            load_texts(TABLE, **{"text": "text", "target": "mood", **options})
    with pytest.raises(DataError, match=r"a list of texts. Received one: 'good'. Write \[text\]"):
        load_texts(TABLE, "text", "mood").encoder.encode("good")
