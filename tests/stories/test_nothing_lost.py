"""Kill it anywhere: it resumes bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pellucid as pel

KILLS = 10
COMMAND = [sys.executable, "-m", "pellucid.cli.main"]
ARGUMENTS = [
    "mnist-5k",
    "--network",
    "32",
    "--dropout",
    "0.2",
    "--epochs",
    "40",
    "--early-stopping",
    "40",
    "--batch-size",
    "50",
    "--schedule",
    "on_plateau:patience=2",
    "--learning-rate",
    "0.002",
    "--checkpoint-every",
    "0",
    "--seed",
    "3",
]
COMPARED = [
    "weights.safetensors",
    "report.html",
    "result.json",
    "experiment.toml",
    "history/epochs.parquet",
    "history/steps.parquet",
    "history/layers.parquet",
]


def run(arguments: list[str], verb: str = "train", **options) -> subprocess.Popen:
    return subprocess.Popen([*COMMAND, verb, *arguments], stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.timeout(600)
def test_killed_at_10_random_moments_ends_with_the_same_bits(tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    whole = run([*ARGUMENTS, "--folder", str(undisturbed)])
    _, message = whole.communicate(timeout=300)
    assert whole.returncode == 0, message

    chance = random.Random(0)
    process = run([*ARGUMENTS, "--folder", str(killed), "--no-progress"])
    kills = 0
    checkpoints: list[str] = []
    while kills < KILLS:
        # Wait for the run to begin or to get further, then strike at a random moment after that.
        begun = time.monotonic()
        while process.poll() is None and newest(killed) == (checkpoints[-1] if checkpoints else None):
            assert time.monotonic() - begun < 60
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.03))
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
        checkpoints.append(newest(killed))
        process = run([str(killed), "--checkpoint-every", "0", "--no-progress"], verb="resume")
    _, message = process.communicate(timeout=300)
    assert process.returncode == 0, message
    assert kills == KILLS, f"the run ended after {kills} kills: it must be longer"
    for name in COMPARED:
        assert (killed / name).read_bytes() == (undisturbed / name).read_bytes(), name


def newest(folder: Path) -> str | None:
    names = sorted(path.name for path in (folder / "checkpoints").glob("step-*.json"))
    return names[-1] if names else None


def test_ctrl_c_leaves_a_resumable_run(tmp_path):
    folder = tmp_path / "run"
    process = run(
        ["mnist-5k", "--network", "64", "--epochs", "2000", "--folder", str(folder), "--json"], stdout=subprocess.PIPE
    )
    while "epoch" not in (process.stderr.readline()):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["stopped"] == "interrupted"
    assert f"pellucid resume {folder}" in message
    made = json.loads(out)
    epochs = pel.load(folder).history.epochs_made
    again = run([str(folder), "--epochs", str(epochs), "--json"], verb="resume", stdout=subprocess.PIPE)
    out, message = again.communicate(timeout=60)
    assert again.returncode == 0, message
    assert json.loads(out)["accuracy"] == made["accuracy"]  # nothing left to train: the weights are those kept
