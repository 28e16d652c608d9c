"""Adding a rule is writing one function: the diagnosis, the remedies and the pages then know it."""

import importlib
import sys

import pytest

import pellucid as pel
from pellucid.doctor import diagnose
from pellucid.doctor.rule import CAUSES, RULES

MODULE = '''
from pellucid.doctor.rule import CERTAIN, Evidence, Limit, rule


@rule(
    "few_rows",
    "program",
    meaning="there are fewer rows than anybody could learn from",
    about="Each row is a small part of the truth.",
    alike="Overfitting, which it invites.",
    reason="nothing is learnt from nothing",
    remedies=("more epochs", "more rows"),
    enough=Limit(1000, "rows: as many as fingers, a hundred times"),
)
def few_rows(s, enough):
    """Fewer training rows than a limit."""
    return Evidence(CERTAIN, {"rows": s.e.rows}, f"there are only {s.e.rows} rows") if s.e.rows < enough else None
'''


@pytest.fixture
def few_rows(tmp_path, monkeypatch):
    (tmp_path / "rule_of_rows.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    before = list(RULES)
    importlib.import_module("rule_of_rows")
    yield
    RULES[:] = before
    CAUSES.pop("few_rows")
    sys.modules.pop("rule_of_rows")


@pytest.mark.usefixtures("few_rows")
def test_a_rule_is_found_where_it_is_needed():
    from tools.make_findings import index, page

    from pellucid_textbook.catalogue import show

    with pytest.warns(pel.DoctorWarning, match="few rows"):
        run = pel.train((8,), pel.load_dataset("iris"), optimizer=pel.SGD(1e-5), epochs=5, progress=False)
    finding = next(finding for finding in diagnose(run, trials=False) if finding.label == "few_rows")
    assert finding.definition == "there are fewer rows than anybody could learn from"
    assert finding.because == "there are only 120 rows"
    assert finding.remedies == ("more epochs", "more rows")
    assert "few_rows" in [finding.label for finding in pel.check((8,), pel.load_dataset("iris")).problems]
    text = page("few_rows", None)
    for words in ("# Few rows", "Overfitting, which it invites.", "| enough | 1000 |", "- more rows"):
        assert words in text
    assert "| [few rows](few_rows.md) |" in index({})
    assert "fewer rows than anybody could learn from" in str(show("few_rows"))


@pytest.mark.parametrize("name", ["unknown_cause"])
def test_a_rule_without_a_meaning_is_of_a_cause_that_is_known(name):
    from pellucid.doctor.rule import rule

    with pytest.raises(KeyError, match=name):
        rule(name, "program", reason="none")(lambda s: None)
