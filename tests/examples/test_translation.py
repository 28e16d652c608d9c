"""Machine translation on few short sentences."""

from examples import harness
from examples.translation import example


def test_a_translator_learns_to_write_french(shared_data, tmp_path):
    setting = harness.Setting(0, True, tmp_path, tmp_path / "translation")
    scores = example.measure(setting)[example.DATA]["network"]
    assert scores["next word right"] > 0.6
    assert scores["BLEU"] > 4
    assert scores["BLEU"] >= scores["BLEU, one reference"]
    texts = example.draw(setting)
    assert len(texts["translations"].splitlines()) == 21
    assert setting.picture("attention.svg").stat().st_size < 150_000


def test_no_sentence_is_in_both_parts(shared_data, tmp_path):
    data = example.prepare(harness.Setting(0, True, tmp_path, tmp_path / "translation"))
    train, held_out = (example.pairs_of(part) for part in (data.train, data.held_out))
    for side in (0, 1):
        assert not {pair[side] for pair in train} & {pair[side] for pair in held_out}
