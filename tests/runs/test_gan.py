"""Generative adversarial networks from one call: what they cover, what is kept, what is refused."""

import json
import os
import signal
import threading
import time

import jax
import numpy as np
import pytest
from click.testing import CliRunner

import pellucid as pel
from pellucid.cli.main import main
from pellucid.core.errors import InvalidValue, ShapeError, StorageError
from pellucid.data import GaussianMixture, mode_coverage
from pellucid.functions.schedules import CosineDecay
from pellucid.report.samples import sample_chart

TWO = GaussianMixture(((-1.0, 0.0), (1.0, 0.0)), 0.1)
POINTS = TWO.dataset(600, seed=3, name="two")
SMALL = {"epochs": 3, "batch_size": 20, "critic_steps": 2, "record_every": 0, "progress": False}
GENERATOR, CRITIC = pel.Network(pel.Dense(16, "relu"), pel.Dense(2)), pel.Network(pel.Dense(16, "relu"), pel.Dense(1))
NETWORKS = pel.networks.GAN(GENERATOR, CRITIC, latent=2)


def same_bits(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_wgan_gp_covers_the_ring_from_one_call():
    ring = pel.data.gaussian_ring(std=0.1)
    run = pel.train(
        "wgan",
        ring.dataset(5000),
        optimizer=pel.Adam(1e-3, beta1=0.5, beta2=0.9),
        epochs=100,
        record_every=0,
        progress=False,
    )
    coverage = ring.coverage(run.sample(4000))
    assert coverage.covered == 8
    assert coverage.high_quality > 0.7
    assert run.result.keys() == {"loss", "generator_loss"}
    assert -run.result["loss"] < 0.2  # the critic's estimate of the distance that is left
    scores = run.score(ring.dataset(500, seed=9).train.x).mean(), run.score(np.full((5, 2), 6.0)).mean()
    assert scores[0] > scores[1]


def test_chosen_noise_is_decoded_to_examples():
    run = pel.train(NETWORKS, POINTS, **SMALL)
    noise = np.asarray(jax.random.normal(jax.random.key(4), (5, 2)))
    np.testing.assert_array_equal(run.decode(noise), run.sample(5, seed=4))
    with pytest.raises(ShapeError, match=r"reads 2 numbers\. Received: noise of shape \(5, 3\)"):
        run.decode(np.zeros((5, 3)))


def test_what_is_saved_samples_the_same_bits(tmp_path):
    run = pel.train(NETWORKS, POINTS, folder=tmp_path / "run", **SMALL)
    loaded = pel.load(tmp_path / "run")
    same_bits(loaded.params, run.params)
    np.testing.assert_array_equal(loaded.sample(5, seed=2), run.sample(5, seed=2))
    assert not np.array_equal(loaded.sample(5, seed=2), loaded.sample(5, seed=3))
    np.testing.assert_array_equal(loaded.sample(1500)[:5], loaded.sample(1500)[:5])
    assert loaded.result == run.result
    assert str(loaded) == str(run)
    assert "two-gan: 3 of 3 epochs" in str(run)
    assert "critic" in (tmp_path / "run" / "report.html").read_text()
    with pytest.raises(InvalidValue, match=r"run\.networks"):
        loaded.network  # noqa: B018
    with pytest.raises(InvalidValue, match="GAN predicts nothing"):
        loaded.predict(POINTS.train.x)
    with pytest.raises(StorageError, match="holds a run"):
        pel.train(NETWORKS, POINTS, folder=tmp_path / "run", **SMALL)


def test_ctrl_c_returns_the_run_and_it_goes_on_to_the_same_bits(tmp_path):
    folder = tmp_path / "run"

    def press_ctrl_c():
        while not list(folder.glob("checkpoints/*.json")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press_ctrl_c)
    thread.start()
    settings = SMALL | {"epochs": 100_000}
    run = pel.train(NETWORKS, POINTS, folder=folder, checkpoint_every=0, **settings)
    thread.join()
    assert run.stopped == "interrupted"
    epochs = run.history.epochs_made + 3
    with pytest.raises(StorageError, match="resume"):
        pel.resume(folder)
    again = pel.resume(folder, POINTS, epochs=epochs, progress=False)
    assert again.stopped == "epochs"
    whole = pel.train(NETWORKS, POINTS, **(SMALL | {"epochs": epochs}))
    same_bits(again.params, whole.params)
    same_bits(again.history.step_rows, whole.history.step_rows)


def test_a_gan_goes_on_with_another_rate_and_optimiser(tmp_path):
    pel.train(NETWORKS, POINTS, folder=tmp_path / "gan", **SMALL)
    made = SMALL["epochs"]
    slow = pel.resume(tmp_path / "gan", POINTS, epochs=made + 1, learning_rate=1e-5, progress=False)
    assert float(slow.history.step_rows[-1, 2]) == pytest.approx(1e-5)
    other = pel.resume(tmp_path / "gan", POINTS, epochs=made + 2, critic_optimizer=pel.SGD(0.1), progress=False)
    players = other.training.state.optimizer
    assert len(players["generator"].slots) > len(players["critic"].slots) == 0
    loaded = pel.load(tmp_path / "gan")
    changed = [set(entry["changed"]) for entry in loaded.resumed]
    assert changed == [{"optimizer", "epochs"}, {"critic_optimizer", "epochs"}]
    with pytest.warns(pel.ResumeWarning, match=r"all .* epochs.*resume"):
        pel.resume(tmp_path / "gan", POINTS, progress=False)
    with pytest.raises(InvalidValue, match="from the beginning"):
        pel.resume(tmp_path / "gan", POINTS, optimizer=pel.Adam(CosineDecay(0.1, epochs=3)))


def test_images_are_made_in_their_own_units(tmp_path):
    data = pel.load_dataset("digits")
    run = pel.train(
        {"name": "wgan", "latent": 8},
        data,
        critic_steps=2,
        optimizer=pel.Adam(beta1=0.5, beta2=0.9),
        epochs=2,
        record_every=0,
        progress=False,
    )
    samples = run.sample(9)
    assert samples.shape == (9, 8, 8)
    assert samples.min() >= 0
    assert samples.max() <= 16
    assert run.history.epochs.keys() >= {"held_out_loss", "held_out_generator_loss"}
    run.plot_samples(9).savefig(tmp_path / "digits.png")
    run.plot().savefig(tmp_path / "history.png")
    with pytest.raises(ShapeError, match="images or as points"):
        sample_chart(np.zeros((3, 5)))


def test_arrays_and_convolutions_are_taken():
    x = np.random.default_rng(0).random((60, 4, 4, 1)).astype(np.float32)
    generator = pel.Network(
        pel.Dense(8, "relu"),
        pel.layers.Reshape((2, 2, 2)),
        pel.layers.ConvTranspose2D(1, 4, "sigmoid", stride=2, padding="same"),
    )
    critic = pel.Network(pel.Conv2D(4, 3, "leaky_relu", stride=2, padding="same"), pel.Flatten(), pel.Dense(1))
    run = pel.train(
        pel.networks.GAN(generator, critic, latent=3), x, epochs=1, batch_size=10, record_every=0, progress=False
    )
    assert run.sample(2).shape == (2, 4, 4, 1)
    assert run.program.critic_steps == 5


def test_coverage_counts_modes_and_samples_on_them():
    centres = np.array([[0.0, 0.0], [2.0, 0.0]])
    samples = np.array([[0.0, 0.29], [0.31, 0.0], [2.0, 0.0], [1.0, 0.0]])
    coverage = mode_coverage(samples, centres, 0.1)
    assert (coverage.covered, coverage.modes, coverage.high_quality) == (2, 2, 0.5)
    few = np.concatenate([np.zeros((89, 2)), np.tile([[2.0, 0.0]], (11, 1))])
    assert mode_coverage(few, centres, 0.1).covered == 1  # 11 of 100, its fair share 50
    assert mode_coverage(np.concatenate([few, [[2.0, 0.0]] * 2]), centres, 0.1).covered == 2
    true = pel.data.gaussian_grid().coverage(pel.data.gaussian_grid().dataset(5000).train.x)
    assert true.covered == 25
    assert true.high_quality == pytest.approx(1 - np.exp(-4.5), abs=0.005)
    with pytest.raises(ShapeError, match="2"):
        mode_coverage(np.zeros((3, 1)), centres, 0.1)


DENSE = pel.Dense(1)


@pytest.mark.parametrize(
    ("networks", "fields", "error", "message"),
    [
        (
            pel.networks.GAN(pel.Network(pel.Dense(3)), CRITIC, 2),
            {},
            ShapeError,
            r"generator's output.*\(3,\).*Dense\(2\)",
        ),
        (pel.networks.GAN(GENERATOR, pel.Network(pel.Dense(2)), 2), {}, ShapeError, r"critic gives one number.*\(2,\)"),
        (
            pel.networks.GAN(GENERATOR, pel.Network(pel.Dense(1, "sigmoid")), 2),
            {},
            InvalidValue,
            "without an activation",
        ),
        (pel.networks.GAN(GENERATOR, pel.Network(pel.BatchNorm(), DENSE), 2), {}, InvalidValue, "LayerNorm"),
        ("wgan", {"loss": "hinge"}, InvalidValue, "'gan', 'minimax', 'wasserstein'"),
        ("wgan", {"batch_size": 200}, InvalidValue, "at most 120"),
        ("wgan", {"critic_steps": 0}, InvalidValue, "critic_steps"),
        ({"name": "wgan", "latent": 0}, {}, InvalidValue, "latent"),
        ("wgan", {"optimizer": pel.Adam({"name": "on_plateau", "learning_rate": 0.1})}, InvalidValue, "cosine_decay"),
    ],
)
def test_what_cannot_be_played_is_refused(networks, fields, error, message):
    with pytest.raises(error, match=message):
        pel.train(networks, POINTS, progress=False, **fields)


def command(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_command_line_trains_goes_on_and_samples(tmp_path):
    folder = tmp_path / "run"
    words = ["train", "digits", "--network", "wgan:latent=8", "--critic-steps", 2, "--learning-rate", "1e-3"]
    result = command(*words, "--record-every", 0, "--epochs", 1, "--folder", folder, "--no-progress", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["stopped"] == "epochs"
    settings = pel.load(folder).experiment
    assert settings.optimizer == {"name": "adam", "beta1": 0.5, "beta2": 0.9}  # 1e-3 is Adam's own rate
    assert (settings.network["latent"], settings.critic_steps, settings.data["seed"]) == (8, 2, 0)
    assert command("resume", folder, "--epochs", 2, "--no-progress").exit_code == 0
    again = command("train", folder / "experiment.toml", "--folder", tmp_path / "again", "--no-progress")
    assert again.exit_code == 0, again.output
    same_bits(pel.load(folder).params, pel.load(tmp_path / "again").params)
    for name in ("new.png", "new.npy"):
        assert command("sample", folder, "--count", 4, "--output", tmp_path / name).exit_code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "new.npy"), pel.load(folder).sample(4))
    refused = command("train", "digits", "--network", "gan", "--dropout", "0.2")
    assert refused.exit_code == 2
    assert "has no dropout" in refused.output
    unknown = command("train", "digits", "--network", "gan:units=3")
    assert "no field 'units'" in unknown.output
    assert command("predict", folder, "digits").exit_code == 2
