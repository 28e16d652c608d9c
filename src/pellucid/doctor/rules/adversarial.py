"""Causes in an adversarial training: what the samples leave out of the data, and which player is to blame."""

from pellucid.doctor.adversarial import AROUND, SCARCE, AdversarialSubject
from pellucid.doctor.findings import percent
from pellucid.doctor.rule import OPEN, STRONG, Evidence, Limit, rule

COVERED = Limit(0.8, "of the real rows: a fifth left out is more than one mode of eight")


@rule(
    "mode_collapse",
    "adversarial",
    meaning="the generator covers only part of the data",
    about="The generator covers only part of the data: whatever the noise, it gives examples of some modes and none of "
    f"the others. A real row counts as covered where the samples around it are at least {SCARCE:.0%} of what its "
    f"surroundings, which hold {AROUND:.0%} of the real rows, should have.",
    alike="A generator that has only begun to learn covers little as well.",
    reason="rows around which there are no samples are never generated",
    remedies=("larger critic rate", "Wasserstein loss with gradient penalty", "adam", "more critic steps"),
    covered=COVERED,
)
def mode_collapse(s: AdversarialSubject, covered: float) -> Evidence | None:
    """Real rows near which there are hardly any samples."""
    if s.coverage >= covered:
        return None
    numbers = {"fraction of real rows covered": s.coverage, "critic's lead over guessing": s.dominance}
    return Evidence(STRONG, numbers, f"samples come near to {percent(s.coverage)} of the real rows")


@rule(
    "dominant_critic",
    "adversarial",
    meaning="the critic distinguishes samples from real rows so surely that its gradient teaches the generator little",
    about="The critic gives nearly all of its certainty to the right side. The generator's gradient through it is "
    "then small, or points nowhere.",
    formula="1 − L_D / (2 ln 2): 0 where the critic guesses, 1 where it is sure and right",
    alike="Mode collapse: there the generator deceives the critic, but always by the same examples.",
    reason="a critic that is never wrong has next to no gradient to give",
    remedies=(
        "smaller critic rate",
        "gradient penalty",
        "loss that does not saturate",
        "Wasserstein loss with gradient penalty",
    ),
    covered=COVERED,
    lead=Limit(0.3, "below the loss of guessing: more than four fifths of the certainty lie on the right side"),
)
def dominant_critic(s: AdversarialSubject, covered: float, lead: float) -> Evidence | None:
    """A critic whose loss is far below that of guessing, beside samples that leave rows out."""
    if s.coverage >= covered or not s.dominance > lead:
        return None
    numbers = {"fraction of real rows covered": s.coverage, "critic's lead over guessing": s.dominance}
    because = f"the critic's loss is {s.dominance:.0%} below that of guessing; samples come near to"
    return Evidence(OPEN, numbers, f"{because} {percent(s.coverage)} of the real rows")
