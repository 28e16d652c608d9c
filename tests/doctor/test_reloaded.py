"""Runs of every kind, reloaded in another process: the same progress, and the doctor says the same of them."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

import pellucid as pel
from every_kind import KINDS, STOPPED, told, train


@pytest.fixture(scope="module")
def here_and_there(tmp_path_factory):
    """What the runs say where they were trained, and in a process that only has their folders."""
    folder = tmp_path_factory.mktemp("kinds")
    here = {}
    for kind, (_, data, _) in KINDS.items():
        here[kind] = told(train(kind, folder), data)
    # What the folder of a run with an optimiser from Optax says of it.
    run = pel.load(folder / "by name, class weights")
    replace(run, experiment=msgspec.structs.replace(run.experiment, optimizer="optax")).save(folder / "optax")
    script = Path(__file__).parents[1] / "every_kind.py"
    done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, here, json.loads(done.stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reloaded_run_says_what_it_said(kind, here_and_there):
    _, here, there = here_and_there
    assert there[kind] == here[kind]


def test_a_run_whose_best_epoch_is_not_its_last_is_diagnosed_and_proven(here_and_there):
    folder, here, there = here_and_there
    losses = here[STOPPED]["epochs"]["held_out_loss"]
    assert losses[-1] > min(losses)
    assert there["diagnosed"] == json.loads((folder / STOPPED / "findings.json").read_text())["findings"]
    assert there["proven"] > 3
    assert (folder / STOPPED / "proof.json").exists()


def test_an_optimiser_that_the_folder_cannot_describe_is_named(here_and_there):
    assert "came from Optax" in here_and_there[2]["optax"]
