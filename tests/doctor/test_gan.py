"""The doctor of GANs: what samples leave out, which player is to blame, and what fixes it."""

import numpy as np
import pytest

import pellucid as pel
from pellucid.data import gaussian_ring
from pellucid.doctor import adversarial, diagnose, prove
from pellucid.doctor.adversarial import coverage_of, dominance
from pellucid.doctor.remedies import REMEDIES, changes, plan_of_run, settled
from pellucid.doctor.remedies.table import with_settings

RING = gaussian_ring(8, 2.0, 0.05)
DATA = RING.dataset(2000)


def trained(critic_rate: float, loss: str = "gan", epochs: int = 40):
    """A GAN on the ring whose generator learns at 1e-3."""
    return pel.train(
        "wgan",
        DATA,
        loss=loss,
        optimizer=pel.Adam(1e-3, beta1=0.5),
        critic_steps=1,
        epochs=epochs,
        critic_optimizer=pel.Adam(critic_rate, beta1=0.5),
        batch_size=64,
        progress=False,
    )


@pytest.fixture(scope="module")
def weak():
    """A critic that hardly learns."""
    return trained(1e-5)


def test_a_weak_critic_is_mode_collapse_without_a_dominant_critic(weak):
    assert [finding.label for finding in diagnose(weak)] == ["mode_collapse"]
    assert abs(dominance(weak)) < 0.1


def test_a_critic_that_is_too_fast_dominates():
    run = trained(1e-2, "minimax")
    assert [finding.label for finding in diagnose(run)] == ["mode_collapse", "dominant_critic"]
    assert dominance(run) > 0.3


def test_coverage_is_one_for_the_data_and_falls_with_each_mode_left_out(weak, monkeypatch):
    rows = DATA.train.x
    modes = np.asarray(DATA.train.y)
    for kept in (8, 6, 4):
        some = rows[modes < kept]
        drawn = some[np.random.default_rng(0).integers(len(some), size=2000)]
        monkeypatch.setattr(adversarial, "sample", lambda run, count, seed=0, drawn=drawn: drawn[:count])
        assert coverage_of(weak) == pytest.approx(kept / 8, abs=0.02)


def test_every_remedy_changes_a_plan_that_can_still_be_trained(weak):
    plan = with_settings(plan_of_run(weak), loss="minimax")
    for name in REMEDIES["adversarial"]:
        changed = changes([name], plan)
        assert changed, name
        for change in changed:
            assert change.text, name
            assert change.plan != plan, name
            experiment = settled(change.plan)
            assert experiment.rows_of_step(len(plan.data.train)) <= len(plan.data.train), name


def test_a_weak_critic_is_cured_by_proof(weak):
    modes = lambda samples: RING.coverage(samples).covered / 8  # noqa: E731
    found = diagnose(weak)
    proof = prove(weak, findings=found, judge=modes, seeds=3, most=2, random=False)
    assert proof.best is not None
    assert "critic's learning rate" in proof.best.text


def test_a_loaded_gan_is_diagnosed_with_its_data(weak, tmp_path):
    weak.save(tmp_path / "weak")
    loaded = pel.load(tmp_path / "weak")
    assert diagnose(loaded, DATA) == diagnose(weak)
