"""The spam filter, on a part of the messages."""

from examples import harness
from examples.spam_filter import example


def test_spam_is_found_and_its_words_are_shown(shared_data, tmp_path):
    setting = harness.Setting(0, True, tmp_path, tmp_path / "spam-filter")
    scores = example.measure(setting)[example.DATA]
    assert scores["network"]["F1"] > 0.85
    assert scores["perceptron"]["F1"] > 0.8
    texts = example.draw(setting)
    assert texts["doctor"]
    picture = setting.picture("words.svg").read_text()
    assert "Spam, found" in picture
    assert picture.count("<rect") > 40


def test_a_word_has_its_part_of_what_was_said():
    said = {"free": 1.0, "free prize": 0.5, "now": -0.2}
    assert example.spread(["Free", "prize", "now", "NOW"], said) == [1.25, 0.25, -0.1, -0.1]
