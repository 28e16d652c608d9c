"""What can be said of a task once the network and plain methods have tried it: whether there is anything to learn."""

from pellucid.doctor.chance import LEVEL
from pellucid.doctor.limits import Limit, above
from pellucid.doctor.rule import Evidence, Rule, Subject, table_of

LEARNABLE: list[Rule] = []
"""Rules that ask whether the inputs tell anything of the targets."""
rule = table_of(LEARNABLE)


@rule(
    "no_signal",
    "what no method does better on the true targets than on targets dealt out at random is not there to be learnt",
    level=LEVEL,
    few=Limit(100, "rows: fewer show only a strong signal"),
    by_heart=Limit(0.3, "of skill in training: what is learnt there and nowhere else is noise"),
)
def no_signal(s: Subject, level: float, few: float, by_heart: float) -> Evidence | None:
    """Neither the network nor a plain method does better than guessing on rows that it has not learnt."""
    chance, e = s.reference.chance, s.e
    if chance.p <= level:
        return None
    rows, new = e.rows, e.training.monitor.rows
    said = (
        "no method finds a signal in these rows: on rows not learnt from, neither the network nor plain methods "
        "(nearest neighbours, kernel ridge regression, a linear model) do better than guessing (permutation test, "
        f"p = {chance.p:.2g}; {rows} training rows, {new} held-out rows)"
    )
    if not e.diverged and e.skill_train > by_heart:
        said += "; what the network learnt of its training rows is noise"
    if rows < few:
        said += "; so few rows show only a strong signal"
    numbers = {"p": chance.p, "skill of the network": e.skill_new, "training rows": rows, "held-out rows": new}
    return Evidence(0.97 * above(chance.p, level, 2), numbers, said, holds_back=False)
