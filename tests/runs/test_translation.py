"""Translation on real sentence pairs, and the loss that leaves padding out."""

import json
import math
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue, ShapeError, StorageError
from pellucid.data import Encoder, Part, split, validation_rows
from pellucid.data.translation import (
    END,
    PAD,
    START,
    UNKNOWN,
    Lexicon,
    bleu,
    load_pairs,
    load_translations,
    prepare_translations,
    sentence_of,
    words_of,
)
from pellucid.functions.activations import Softmax
from pellucid.functions.losses import SparseCategoricalCrossEntropy, SparseSoftmaxCrossEntropy, fuse
from pellucid.functions.metrics import Accuracy
from pellucid.network import backpropagate
from pellucid.networks import translator


@pytest.fixture(scope="module")
def data():
    path = Path(os.environ.get("PELLUCID_DATA", "")) / "translation" / "fra-eng.zip"
    if not path.is_file():
        pytest.skip("PELLUCID_DATA does not name a folder with translation/fra-eng.zip")
    pairs = load_pairs(path)
    assert len(pairs) == 62_947
    return prepare_translations(pairs[1000:9000:24], minimum_count=1)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "translator"
    graph = translator(data, embedding=32, units=64, dropout=0.0)
    settings = {"optimizer": pel.Adam(0.01), "batch_size": 16, "progress": False}
    return graph, settings, folder, pel.train(graph, data, epochs=25, folder=folder, **settings)


def test_sentences_become_numbers_and_words_again(data):
    words = words_of("Qu’est-ce que c’est ? J'ai 12 ans.")
    assert words == ["qu'", "est", "-", "ce", "que", "c'", "est", "?", "j'", "ai", "12", "ans", "."]
    assert sentence_of(words) == "qu'est-ce que c'est? j'ai 12 ans."
    encoder = data.encoder
    source, target = data.train.pairs[7]
    part = encoder.encode_pairs([(source, target)])
    read, shifted = part.x
    numbers = encoder.target.encode(words_of(target))
    assert part.y[0, : len(numbers) + 1].tolist() == [*numbers, END]
    assert shifted[0, : len(numbers) + 1].tolist() == [START, *numbers]
    assert not part.y[0, len(numbers) + 1 :].any()
    assert read[0, -1] == encoder.source.encode(words_of(source))[-1]
    assert (read == PAD)[0, : encoder.source_steps - len(words_of(source))].all()
    assert encoder.target.decode(part.y[0]) == words_of(target)
    assert encoder.decode(part.y) == [sentence_of(words_of(target))]
    assert encoder.source.encode(["never seen"]) == [UNKNOWN]


def test_sentence_pairs_are_an_ordinary_dataset(data):
    assert (data.task, data.outputs) == ("translation", len(data.encoder.target))
    some = data.train.take(np.array([7, 2]))
    assert len(some) == 2
    again = data.encoder.encode_pairs(some.pairs)
    jax.tree.map(np.testing.assert_array_equal, (again.x, again.y), (some.x, some.y))
    assert data.input_shape == tuple(x.shape[1:] for x in some.x)
    rest, drawn = split(data.train, 0.25, seed=0, stratify=False)
    assert len(rest) + len(drawn) == len(data.train)
    assert Encoder.restore(json.loads(json.dumps(data.encoder.to_dict()))) == data.encoder
    pairs = [*data.train.pairs, *data.held_out.pairs]
    assert prepare_translations(pairs, minimum_count=1).fingerprint == data.fingerprint
    assert prepare_translations(pairs, minimum_count=1, seed=1).fingerprint != data.fingerprint
    with pytest.raises(ShapeError, match="needs exactly one target"):
        Part((some.x[0], some.x[1][:1]), some.y)


def test_a_file_of_pairs_is_a_dataset(tmp_path):
    lines = [f"{word} it.\t{word} le.\n" for word in "abcdefgh"]
    (tmp_path / "pairs.tsv").write_text("".join(lines))
    data, again = (load_translations(tmp_path / "pairs.tsv", minimum_count=1, held_out=0.25) for _ in range(2))
    assert (data.name, len(data.train), len(data.held_out)) == ("pairs", 6, 2)
    assert data.fingerprint == again.fingerprint


def test_no_sentence_is_in_two_parts(data):
    aside = validation_rows(data, 0.1, seed=0)
    parts = [data.held_out, *(data.train.take(rows) for rows in aside)]
    for side in (0, 1):
        sentences = [{" ".join(words_of(pair[side])) for pair in part.pairs} for part in parts]
        assert len(set.union(*sentences)) == sum(map(len, sentences))
    groups = [len(set(part.groups)) for part in parts]
    assert groups[0] == math.ceil(0.1 * sum(groups))
    assert groups[2] == math.ceil(0.1 * (groups[1] + groups[2]))


def test_a_translator_memorises_what_it_has_read(data, trained):
    made = trained[3]
    assert made.history.epochs["accuracy"][-1] > 0.9
    figures = made.evaluate([(source, target) for source, target in data.train.pairs])
    assert figures["exact"] > 0.6
    assert figures["bleu"] > 0.6
    assert made.translate([]) == []
    sentences = [source for source, _ in data.train.pairs[:3]]
    assert made.translate(sentences)[1:2] == made.translate(sentences[1:2])


def test_attention_looks_at_the_words_alone(data, trained):
    source = data.train.pairs[0][0]
    alignment = trained[3].align(source)
    assert alignment.source == words_of(source)
    assert alignment.weights.shape == (len(alignment.target), len(alignment.source))
    np.testing.assert_allclose(alignment.weights.sum(axis=1), 1, rtol=1e-5)
    assert sentence_of(alignment.target) == trained[3].translate([source])[0]


def test_a_loaded_translator_is_the_same(data, trained, tmp_path):
    _, _, folder, made = trained
    sentences = [source for source, _ in data.held_out.pairs]
    for place in (folder, made.save(tmp_path / "copy")):
        loaded = pel.load(place)
        assert loaded.translate(sentences) == made.translate(sentences)
        assert loaded.result == made.result
        assert str(loaded.history) == str(made.history)
        assert str(loaded.summary) == str(made.summary)
        jax.tree.map(np.testing.assert_array_equal, loaded.params, made.params)
    assert not list(folder.rglob("*.pkl"))
    with pytest.raises(StorageError, match="holds a run"):
        made.save(folder)


def test_a_resumed_training_ends_with_the_same_bits(data, trained, tmp_path):
    graph, settings, _, _ = trained
    whole = pel.train(graph, data, epochs=2, **settings)
    pel.train(graph, data, epochs=1, folder=tmp_path / "run", **settings)
    resumed = pel.resume(tmp_path / "run", data, epochs=2, progress=False)
    jax.tree.map(np.testing.assert_array_equal, resumed.params, whole.params)
    others = prepare_translations(data.train.pairs, minimum_count=1)
    with pytest.raises(StorageError, match="not those of the run"):
        pel.resume(tmp_path / "run", others, epochs=2, progress=False)
    slower = pel.resume(tmp_path / "run", data, optimizer=pel.Adam(1e-5), epochs=3, progress=False)
    assert float(slower.history.step_rows[-1, 2]) == pytest.approx(1e-5)
    assert pel.load(tmp_path / "run").experiment.optimizer == {"name": "adam", "learning_rate": 1e-5}
    with pytest.warns(pel.ResumeWarning, match=r"no step was made: all 3 epochs.*epochs=6"):
        pel.resume(tmp_path / "run", data, optimizer=pel.Adam(1e-3), progress=False)


def test_gradients_equal_those_of_jax(data, float64):
    graph = translator(data, embedding=3, units=4, dropout=0.0)
    params, state, _ = graph.init(jax.random.key(0), data.input_shape)
    params = jax.tree.map(lambda w: w.astype(jnp.float64), params)
    part = data.train.take(slice(5))
    x, target = tuple(map(jnp.asarray, part.x)), jnp.asarray(part.y)
    loss = SparseCategoricalCrossEntropy(ignore=PAD)

    def value(params, x):
        return loss(graph.forward(params, state, x).outputs[-1], target)

    found = jax.jit(lambda p, x: backpropagate(graph, loss, p, state, x, target, jnp.ones(5)))(params, x)
    expected, grads = jax.jit(jax.value_and_grad(value))(params, x)
    np.testing.assert_allclose(found.loss, expected, rtol=1e-9)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-11), found.grads, grads)


def test_refuses_what_it_cannot_read(data, trained, tmp_path):
    made = trained[3]
    with pytest.raises(DataError, match=r"1 to \d+ words.*Received 0"):
        made.translate([" "])
    with pytest.raises(DataError, match=r"Received 40"):
        made.translate(["go " * 40])
    with pytest.raises(DataError, match="manythings"):
        load_pairs(tmp_path / "none.zip")
    (tmp_path / "bad.txt").write_text("no tab here\n")
    with pytest.raises(DataError, match=r"line 1 .*source TAB target"):
        load_pairs(tmp_path / "bad.txt")
    with pytest.raises(DataError, match="too few to hold any out"):
        prepare_translations([("Go.", "Va !")])
    with pytest.raises(DataError, match="begins with <pad>"):
        Lexicon(("go",))
    with pytest.raises(InvalidValue, match="units"):
        translator(data, units=0)


def test_bleu_of_an_example_by_hand():
    # 5 of 6 words (one a too many), 3 of 5 pairs, 2 of 4 triples, 1 of 3 quadruples; 6 words against 7.
    found, right = ["the", "cat", "sat", "on", "the", "mat"], ["the", "cat", "sat", "on", "a", "mat", "now"]
    by_hand = (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25 * np.exp(1 - 7 / 6)
    assert bleu([found], [[right]]) == pytest.approx(by_hand)
    assert bleu([found], [[right, found]]) == pytest.approx(1)
    assert bleu([["a"]], [[["b"]]]) == 0


def test_ignored_steps_cost_nothing(rng, float64):
    """The loss of an example is the mean over its steps that count, as PyTorch has it for one example alone."""
    logits = jnp.asarray(rng.normal(size=(4, 5, 6)))
    target = rng.integers(1, 6, (4, 5)) * (np.arange(5) < np.array([[5], [3], [1], [0]]))
    loss = SparseSoftmaxCrossEntropy(ignore=0)
    assert fuse(Softmax(), SparseCategoricalCrossEntropy(ignore=0)) == loss
    value, gradient = loss.value(logits, jnp.asarray(target)), loss.gradient(logits, jnp.asarray(target))
    for i in range(3):
        z = torch.tensor(np.array(logits[i]), requires_grad=True)
        expected = torch.nn.functional.cross_entropy(z, torch.tensor(target[i]), ignore_index=0)
        expected.backward()
        np.testing.assert_allclose(value[i], expected.detach(), rtol=1e-8)
        np.testing.assert_allclose(gradient[i], z.grad, rtol=1e-8, atol=1e-12)
    assert value[3] == 0
    assert not np.asarray(gradient[3]).any()
    shares = jax.nn.softmax(logits)
    apart = SparseCategoricalCrossEntropy(ignore=0)
    np.testing.assert_allclose(apart.value(shares, jnp.asarray(target)), value, rtol=1e-8)
    np.testing.assert_allclose(
        apart.gradient(shares, jnp.asarray(target)),
        jax.grad(lambda p: apart.value(p, jnp.asarray(target)).sum())(shares),
        rtol=1e-8,
    )
    # Where an example is one step, there is nothing to average over.
    one = SparseSoftmaxCrossEntropy(ignore=0).value(logits[:, 0], jnp.asarray(target[:, 0]))
    assert one[3] == 0
    right = Accuracy(ignore=0).value(shares, jnp.asarray(target))
    chosen = np.asarray(logits).argmax(axis=-1)
    expected = [(chosen[i] == target[i])[target[i] != 0].mean() for i in range(3)]
    np.testing.assert_allclose(right, [*expected, 0])
    with pytest.raises(InvalidValue, match="ignore"):
        SparseSoftmaxCrossEntropy(ignore=-2)
