"""Networks by name on the command line: trained, described in TOML, resumed, used."""

import json

from click.testing import CliRunner

from pellucid.cli.main import main


def pellucid(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def test_a_convolutional_network_is_trained_resumed_and_used(tmp_path):
    run = tmp_path / "run"
    begun = pellucid(
        "train",
        "digits",
        "--network",
        "cnn:normalize=true",
        "--dropout",
        0.1,
        "--epochs",
        2,
        "--folder",
        run,
        "--json",
        "--no-progress",
    )
    assert "conv2d_1" in begun.stderr
    assert "batch_norm_1" in begun.stderr
    pellucid("resume", run, "--epochs", 4, "--no-progress")
    again = tmp_path / "again"
    repeated = pellucid("train", run / "experiment.toml", "--folder", again, "--epochs", 4, "--json", "--no-progress")
    assert json.loads(repeated.stdout)["accuracy"] == json.loads(pellucid("evaluate", run, "--json").stdout)["accuracy"]
    assert (run / "weights.safetensors").read_bytes() == (again / "weights.safetensors").read_bytes()
    assert json.loads(repeated.stdout)["accuracy"] > 0.9


def test_layers_of_a_recurrent_network_from_toml(tmp_path):
    network = tmp_path / "network.toml"
    network.write_text(
        '[[layers]]\nname = "bidirectional"\nlayer = { name = "lstm", units = 12, return_sequences = true }\n'
        '[[layers]]\nname = "gru"\nunits = 12\n'
        '[[layers]]\nname = "dense"\nunits = 10\nactivation = "softmax"\n'
    )
    result = pellucid(
        "train", "digits", "--network", network, "--epochs", 1, "--folder", tmp_path / "run", "--no-progress"
    )
    assert "bidirectional_1" in result.stderr


def test_an_autoencoder_tells_which_rows_are_unlike_the_rest(tmp_path):
    pellucid(
        "train",
        "digits",
        "--network",
        "autoencoder:code=8,sparsity=l1_activity",
        "--epochs",
        5,
        "--folder",
        tmp_path / "run",
        "--no-progress",
    )
    rows = pellucid("predict", tmp_path / "run", "digits", "--limit", 3).stdout.splitlines()
    assert rows[0] == "error"
    assert all(0 < float(row) < 1 for row in rows[1:])
    assert len(rows) == 4
    assert "loss" in pellucid("evaluate", tmp_path / "run", "digits").stdout


def test_fields_of_a_network_take_one_item_or_units_joined_by_dashes(tmp_path):
    network = "cnn:filters=2-3,hidden=8,augmentation=random_shift"
    begun = pellucid("train", "digits", "--network", network, "--epochs", 1, "--folder", tmp_path, "--no-progress")
    assert "random_shift_1" in begun.stderr
    settings = (tmp_path / "experiment.toml").read_text()
    assert 'name = "random_shift"' in settings or '"random_shift"' in settings
    assert "filters = 3" in settings


def test_a_slip_in_the_name_or_a_field_is_answered():
    assert "Did you mean 'lstm'" in pellucid("train", "digits", "--network", "lstn", code=2).stderr
    wrong = pellucid("train", "digits", "--network", "lstm:depth=2", code=2)
    assert "no field 'depth'" in wrong.stderr
    wrong = pellucid("train", "digits", "--network", "lstm", "--activation", "relu", code=2)
    assert "has no activation" in wrong.stderr
