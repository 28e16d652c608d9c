"""What is wrong is said with the value, what is allowed and what to do; and it costs nothing that was there."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pellucid.cli.main import main

GOOD = "height,weight,sort\n" + "".join(f"{i},{i * 0.5},{'ab'[i % 2]}\n" for i in range(1, 41))
SHORT = ["--network", "8", "--epochs", "2", "--no-progress"]


def pellucid(*arguments):
    """Exit code and what was said, on stderr alone."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    if result.exit_code:
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
    return result.exit_code, " ".join(result.stderr.split())


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on a dataset known by name."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert pellucid("train", "iris", *SHORT, "--folder", folder)[0] == 0
    return folder


@pytest.fixture
def copy(run, tmp_path):
    """The same, to be damaged."""
    for name, content in contents(run).items():
        path = tmp_path / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "copy"


TABLES = {
    "text among numbers": (
        GOOD.replace("\n7,3.5,", "\n7,tall,"),
        ["'weight'", "'tall'", "line 8", "39 of 40", "--as weight=category", "--na tall"],
    ),
    "infinite": (GOOD.replace("\n7,3.5,", "\n7,inf,"), ["'weight'", "inf", "line 8"]),
    "one class": (GOOD.replace(",b\n", ",a\n"), ["one class only", "'a'", "at least two classes"]),
    "empty": ("", ["is empty"]),
    "header alone": ("height,weight,sort\n", ["a header and no rows"]),
    "ragged": (GOOD.replace("\n7,3.5,", "\n7,3.5,9,"), ["line 8", "4 cells where 3 are expected", "quoted"]),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables_that_cannot_be_trained_on(tmp_path, case):
    content, message = TABLES[case]
    (tmp_path / "table.csv").write_text(content)
    run = tmp_path / "run"
    code, text = pellucid("train", tmp_path / "table.csv", "--target", "sort", *SHORT, "--folder", run)
    assert code == 3
    assert all(part in text for part in message), text
    assert not run.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD.replace("\n7,3.5,", "\n7,nan,"), ["'weight'", "line 8", "--missing drop, mean, median or most_frequent"]),
        (GOOD.replace("\n7,3.5,b", "\n7,3.5,"), ["target 'sort'", "line 8", "--missing drop"]),
    ],
)
def test_missing_values_are_refused_where_asked(tmp_path, content, message):
    (tmp_path / "table.csv").write_text(content)
    options = ["--target", "sort", "--missing", "refuse", *SHORT]
    code, text = pellucid("train", tmp_path / "table.csv", *options, "--folder", tmp_path / "run")
    assert code == 3
    assert all(part in text for part in message), text


def test_tables_that_are_not_there(tmp_path):
    code, text = pellucid("train", tmp_path / "none.csv", "--target", "sort")
    assert code == 3
    assert "none.csv" in text
    assert "there is no file" in text
    (tmp_path / "table.csv").write_text(GOOD)
    code, text = pellucid("train", tmp_path / "table.csv", "--target", "sorts")
    assert code == 3
    assert "no column 'sorts'. Did you mean 'sort'?" in text
    code, text = pellucid("train", tmp_path / "table.csv")
    assert code == 2
    assert "--target COLUMN" in text


SETTINGS = [
    (["--activation", "rleu"], ["unknown activation 'rleu'", "Did you mean 'relu'"]),
    (["--optimizer", "adm"], ["unknown optimizer 'adm'", "Did you mean 'adam'"]),
    (["--loss", "sparse_categorical_crossentrop"], ["unknown loss", "Did you mean 'sparse_categorical_cross_entropy'"]),
    (["--metric", "acuracy"], ["unknown metric 'acuracy'", "Did you mean 'accuracy'"]),
    (["--regularizer", "l3"], ["unknown regularizer 'l3'", "l1, l2"]),
    (["--initializer", "he_norml"], ["'he_norml'", "Did you mean 'he_normal'"]),
    (["--schedule", "cosine"], ["unknown schedule 'cosine'", "cosine_decay"]),
    (["--optimizer", "adam:beta=0.9"], ["no field 'beta'", "Did you mean 'beta"]),
    (["--optimizer", "adam:beta1"], ["'beta1'", "field=value"]),
    (["--learning-rate", "-0.1"], ["learning_rate", "-0.1", "(0, inf)", "1e-4 to 1e-1"]),
    (["--dropout", "1"], ["dropout", "[0, 1)", "Received: 1.0"]),
    (["--dropout", "-0.5"], ["dropout", "Received: -0.5"]),
    (["--batch-size", "121"], ["batch_size is 121", "120 rows", "Take at most 120"]),
    (["--batch-size", "0"], ["batch_size", "at least 1", "Received: 0"]),
    (["--batch-size", "many"], ["'many'", "'all'"]),
    (["--epochs", "-1"], ["epochs", "at least 0", "Received: -1"]),
    (["--early-stopping", "0"], ["EarlyStopping.patience", "at least 1", "Received: 0"]),
    (["--early-stopping", "2", "--validation", "1"], ["validation", "(0, 1)", "Received: 1.0"]),
    (["--record-every", "-1"], ["record_every", "at least 0", "Received: -1"]),
    (["--seed", "-1"], ["seed must be a whole number from 0 to 4294967295", "-1"]),
    (["--network", "16,16"], ["'16,16'", "128-128"]),
    (["--network", "0"], ["units of a hidden layer", "at least 1", "Received: 0"]),
    (["--loss", "mean_squared_error"], ["'mean_squared_error' does not fit", "multiclass"]),
    (["--loss", "wasserstein"], ["does not fit", "it is a critic's", "sparse_categorical_cross_entropy"]),
    (["--class-weights", "setsa=2"], ["'setsa'", "setosa, versicolor, virginica"]),
    (["--class-weights", "setosa=-2"], ["'setosa'", "Received: -2.0"]),
    (["--class-weights", "setosa"], ["'setosa'", "NAME=WEIGHT"]),
]


@pytest.mark.parametrize(("options", "message"), SETTINGS, ids=[" ".join(options) for options, _ in SETTINGS])
def test_settings_that_are_not_allowed_cost_no_earlier_run(run, options, message):
    """Even with --overwrite: the slip is found before the run that is there goes."""
    before = contents(run)
    code, text = pellucid("train", "iris", *SHORT, "--folder", run, "--overwrite", *options)
    assert code == 2
    assert all(part in text for part in message), text
    assert contents(run) == before


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("diabetes", ["--loss", "binary_cross_entropy"], ["takes probabilities", "ends in linear"]),
        ("diabetes", ["--loss", "sigmoid_binary_cross_entropy"], ["not numbers", "take 'binary_cross_entropy'"]),
        ("diabetes", ["--loss", "sparse_categorical_cross_entropy"], ["does not fit", "regression", "huber"]),
        ("diabetes", ["--class-weights", "balanced"], ["regression", "sample_weights"]),
        ("diabetes", ["--loss", "hinge"], ["separates classes", 'task="binary"', "huber"]),
        ("iriss", [], ["unknown dataset 'iriss'", "Did you mean 'iris'"]),
        ("iris", ["--target", "species"], ["--target is for files"]),
    ],
)
def test_what_does_not_fit_the_task(tmp_path, data, options, message):
    code, text = pellucid("train", data, *SHORT, "--folder", tmp_path / "run", *options)
    assert code == 2
    assert all(part in text for part in message), text


@pytest.mark.parametrize(
    ("layers", "code", "message"),
    [
        ('[[layers]]\nname = "dense"\nunits = 4\n', 2, ["shape (4,)", "needs (3,)", 'Dense(3, "softmax")']),
        ('[[layers]]\nname = "dens"\nunits = 3\n', 2, ["unknown layer 'dens'", "Did you mean 'dense'"]),
        ('[[layers]]\nname = "dense"\nunit = 3\n', 2, ["no field 'unit'", "Did you mean 'units'"]),
        ('[layers]\nname = "dense"\nunits = 3\n', 2, ["[[layers]]", "Received: layers"]),
        ('[[layer]]\nname = "dense"\nunits = 3\n', 2, ["[[layers]]", "Received: layer"]),
        ('[[layers]\nname = "dense"\n', 4, ["network.toml", "cannot be read as TOML", "line 1"]),
    ],
)
def test_network_files(tmp_path, layers, code, message):
    (tmp_path / "network.toml").write_text(layers)
    received, text = pellucid(
        "train", "iris", *SHORT, "--network", tmp_path / "network.toml", "--folder", tmp_path / "run"
    )
    assert received == code
    assert all(part in text for part in message), text


def test_a_folder_in_use_is_refused_and_replaced_only_on_demand(copy, tmp_path):
    before = contents(copy)
    code, text = pellucid("train", "iris", *SHORT, "--seed", "7", "--folder", copy)
    assert code == 4
    assert f"pellucid resume {copy}" in text
    assert "--overwrite" in text
    assert contents(copy) == before
    assert pellucid("train", "iris", *SHORT, "--seed", "7", "--folder", copy, "--overwrite")[0] == 0
    assert "seed = 7" in (copy / "experiment.toml").read_text()
    other = tmp_path / "letters"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    for path in (other, other / "letter.txt"):
        code, text = pellucid("train", "iris", *SHORT, "--folder", path, "--overwrite")
        assert code == 4
        assert "not a run folder" in text
    assert (other / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("verb", [["resume"], ["evaluate"], ["predict"]])
def test_a_folder_that_is_no_run(tmp_path, verb):
    arguments = [*verb, tmp_path] + (["iris"] if verb == ["predict"] else [])
    code, text = pellucid(*arguments)
    assert code == 4
    assert f"{tmp_path} is not a run folder: it has no experiment.toml" in text


def test_options_that_the_run_has_settled_are_not_passed_over(copy):
    code, text = pellucid("resume", copy, "--dropout", "0.1")
    assert code == 2
    assert "No such option '--dropout'" in text
    code, text = pellucid("train", copy / "experiment.toml", "--dropout", "0.1")
    assert code == 2
    assert "--dropout: settled by the experiment" in text
    assert pellucid("train")[0] == 2


def test_a_wrong_number_of_epochs_does_not_spoil_the_run(copy):
    before = contents(copy)
    code, text = pellucid("resume", copy, "--epochs", "0")
    assert code == 2
    assert "epochs counts all of a run, and 2 are made already. Received: 0." in text
    assert contents(copy) == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 2", "epocs = 2", ["`epocs`", "Its fields: ", "epochs"]),
        ("epochs = 2", 'epochs = "2"', ["Expected `int`, got `str`", "$.epochs"]),
        ("epochs = 2", "epochs = ", ["cannot be read as TOML", "line"]),
    ],
)
def test_an_altered_experiment(copy, old, new, message):
    path = copy / "experiment.toml"
    path.write_text(path.read_text().replace(old, new))
    for arguments in (["train", path, "--folder", copy / "new"], ["resume", copy], ["evaluate", copy]):
        code, text = pellucid(*arguments)
        assert code == 4
        assert all(part in text for part in message), text


@pytest.mark.parametrize("damage", ["cut", "altered"])
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_goes_on(run, copy, damage, tmp_path):
    assert pellucid("resume", copy, "--epochs", "4", "--checkpoint-every", "0", "--no-progress")[0] == 0
    assert pellucid("train", "iris", *SHORT, "--epochs", "6", "--folder", tmp_path / "long")[0] == 0
    newest = sorted((copy / "checkpoints").glob("*.safetensors"))[-1]
    content = bytearray(newest.read_bytes())
    if damage == "altered":
        content[-5] ^= 1
    newest.write_bytes(content if damage == "altered" else content[:-100])
    code, text = pellucid("resume", copy, "--epochs", "6", "--no-progress")
    assert code == 4
    assert f"{newest.name} is not what was written" in text
    assert "SHA-256" in text
    # As advised:
    advised = newest.with_suffix(".json")
    assert f"Remove {advised}" in text
    advised.unlink()
    assert pellucid("resume", copy, "--epochs", "6", "--no-progress")[0] == 0
    for name in ("weights.safetensors", "history/steps.parquet", "result.json"):
        assert (copy / name).read_bytes() == (tmp_path / "long" / name).read_bytes()


@pytest.mark.parametrize("damage", [lambda whole: whole[:-10], lambda whole: whole[:-9] + b"?" + whole[-8:]])
def test_cut_or_altered_weights_are_told_and_written_again_by_a_resume(copy, damage):
    path = copy / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    code, text = pellucid("evaluate", copy)
    assert code == 4
    assert "weights.safetensors is cut or altered" in text
    assert "Resume" in text
    assert pellucid("resume", copy, "--no-progress")[0] == 0
    assert path.read_bytes() == whole


def test_other_data_under_the_old_name(tmp_path):
    table, run = tmp_path / "table.csv", tmp_path / "run"
    table.write_text(GOOD)
    assert pellucid("train", table, "--target", "sort", *SHORT, "--network", "none", "--folder", run)[0] == 0
    table.write_text(GOOD.replace("\n7,3.5,", "\n7,3.6,"))
    before = contents(run)
    code, text = pellucid("resume", run, "--epochs", "4")
    assert code == 4
    assert "not those of the run" in text
    assert "SHA-256" in text
    assert contents(run) == before
    code, text = pellucid("predict", run, "wine")
    assert code == 2
    assert "Received shape (36, 13)" in text
    assert "13" in text
    (tmp_path / "new.csv").write_text("height,weight,sort\n1,2,c\n")
    code, text = pellucid("evaluate", run, tmp_path / "new.csv")
    assert code == 3
    assert "'c'" in text
    assert "'a', 'b'" in text


def test_divergence_has_its_own_code_and_names_step_and_layer(tmp_path):
    code, text = pellucid(
        "train",
        "diabetes",
        *SHORT,
        "--optimizer",
        "sgd",
        "--learning-rate",
        "1e4",
        "--epochs",
        "50",
        "--scale-targets",
        "none",
        "--folder",
        tmp_path / "run",
    )
    assert code == 5
    assert "NaN or infinite at step" in text
    assert "layer dense_" in text
    assert "lower the learning rate" in text
    assert list((tmp_path / "run" / "checkpoints").glob("*.json"))  # the state before the bad step


@pytest.mark.skipif(os.name != "posix", reason="limits on a file's size are POSIX")
def test_a_full_disk_costs_only_what_was_not_yet_written(tmp_path):
    """A real limit on the size of files, reached in the middle of a training."""
    settings = ["train", "iris", "--network", "8", "--no-progress"]
    run, whole = tmp_path / "run", tmp_path / "whole"
    assert pellucid(*settings, "--epochs", "2", "--folder", run)[0] == 0
    assert pellucid(*settings, "--epochs", "8", "--folder", whole)[0] == 0
    before = contents(run)
    # The next checkpoint holds more steps, so it is larger than those that are there.
    limit = max(len(content) for name, content in before.items() if name.startswith("checkpoints"))
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
        "from pellucid.cli.main import main; main()"
    )
    arguments = ["resume", str(run), "--epochs", "8", "--checkpoint-every", "0", "--no-progress"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 4, done.stderr
    assert "File too large" in done.stderr
    assert "ulimit -f" in done.stderr
    assert "Traceback" not in done.stderr
    after = contents(run)
    assert after.keys() == before.keys()  # no half-written file is left
    changed = {name for name in before if after[name] != before[name]}
    # The new number of epochs, that it was changed, and what was said of it.
    assert changed == {"experiment.toml", "manifest.json", "notes.json"}
    assert pellucid("resume", run, "--epochs", "8", "--no-progress")[0] == 0
    for name in ("weights.safetensors", "history/steps.parquet", "result.json", "report.html"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
