"""Trainings in TensorBoard, MLflow and Weights & Biases, read back by what reads them there."""

import io
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import pellucid as pel
from every_kind import KINDS
from pellucid.callbacks import MLflow, TensorBoard, WandB
from pellucid.cli.main import main
from pellucid.core.errors import InvalidValue, MissingExtra, TrainingDiverged
from pellucid.report.chart import ImageGrid
from pellucid.tracking import tracker
from pellucid.tracking.pictures import as_pixels, pictures
from pellucid.tracking.tracker import artifacts, points_of, settings_of

IRIS = pel.load_dataset("iris")
IMAGES = pel.make_dataset(
    np.random.default_rng(0).normal(size=(60, 6, 6, 1)).astype(np.float32), np.arange(60) % 3, seed=0
)
CNN = pel.Network(pel.Conv2D(3, 3, activation="relu"), pel.Flatten(), pel.Dense(3, "softmax"))


def read(folder):
    """All that TensorBoard's own reader finds in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance=dict.fromkeys(("scalars", "histograms", "images"), 0))
    return accumulator.Reload()


def curve(accumulator, tag):
    return [(event.step, event.value) for event in accumulator.Scalars(tag)]


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracked") / "run"
    settings = {"epochs": 3, "batch_size": 16, "record_every": 2, "histograms_every": 4, "metrics": ["f1"]}
    run = pel.train(CNN, IMAGES, folder=folder, progress=False, callbacks=[TensorBoard()], **settings)
    return run, read(folder / "tensorboard")


def test_tensorboard_reads_the_curves_of_the_history(tracked):
    run, board = tracked
    epochs, size = run.history.epochs, run.history.steps_per_epoch
    columns = {
        "loss/training": "loss", "loss/held_out": "held_out_loss", "accuracy/training": "accuracy",
        "accuracy/held_out": "held_out_accuracy", "learning_rate": "learning_rate", "epoch": "epoch",
    }  # fmt: skip
    for tag, column in columns.items():
        assert curve(board, tag) == [(size * (i + 1), np.float32(x)) for i, x in enumerate(epochs[column])], tag
    steps = run.history.steps["loss"][::2]
    assert curve(board, "loss/step") == [(2 * i + 1, x) for i, x in enumerate(steps)]
    layers = run.history.to_frame("layers")
    norms = layers[layers.layer == "conv2d_1"].set_index("step").gradient_norm
    last = [(step, norms[max(s for s in norms.index if s < step)]) for step in range(size, size * 3 + 1, size)]
    assert curve(board, "gradient_norm/conv2d_1") == last
    result = {f"result/{name}": [(3 * size, np.float32(value))] for name, value in run.result.items()}
    assert {tag: curve(board, tag) for tag in result} == result


def test_tensorboard_reads_histograms_pictures_and_the_graph(tracked):
    from PIL import Image

    run, board = tracked
    tags = board.Tags()
    table = run.history.to_frame("histograms")
    assert set(tags["histograms"]) == set(table.kind + "/" + table.layer)
    row = table.iloc[5]
    events = board.Histograms(f"{row.kind}/{row.layer}")
    value = next(event.histogram_value for event in events if event.step == row.step + 1)
    assert list(value.bucket) == list(row.counts)
    assert (np.float32(value.min), np.float32(value.max), value.num) == (row.low, row.high, sum(row.counts))
    kinds = [set(tags[kind]) for kind in ("scalars", "histograms", "images", "tensors")]
    assert len(set.union(*kinds)) == sum(map(len, kinds))  # TensorBoard shows a name in one place only
    assert set(tags["images"]) == {"pictures of weights/conv2d_1", "examples/inputs"}
    assert [event.step for event in board.Images("examples/inputs")] == [3]  # they do not change
    assert [event.step for event in board.Images("pictures of weights/conv2d_1")] == [3, 6, 9]
    image = board.Images("pictures of weights/conv2d_1")[-1]
    decoded = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    np.testing.assert_array_equal(decoded, pictures(run)["pictures of weights/conv2d_1"])
    nodes = {node.name: list(node.input) for node in board.Graph().node}
    assert nodes == {"input": []} | dict(zip(run.network.names, map(list, run.network.reads), strict=True))
    text = board.Tensors("network/text_summary")[0].tensor_proto.string_val[0].decode()
    assert str(run.summary) in text


def test_tensorboard_reads_the_hyperparameters(tracked):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    run, board = tracked
    parsed = {}
    for tag, content in board.summary_metadata.items():
        if tag.startswith("_hparams_/"):
            parsed[tag.partition("/")[2]] = HParamsPluginData.FromString(content.plugin_data.content)
    given = {
        name: getattr(v, v.WhichOneof("kind"))
        for name, v in parsed["session_start_info"].session_start_info.hparams.items()
    }
    settings = settings_of(run)
    assert given == settings
    assert given["optimizer.learning_rate"] == 0.001
    assert given["batch_size"] == 16
    assert json.loads(given["network"])[0]["name"] == "conv2d"
    metrics = {info.name.tag for info in parsed["experiment"].experiment.metric_infos}
    assert metrics == {"loss/held_out", "accuracy/held_out"}
    assert parsed["session_end_info"].session_end_info.status == 1


@pytest.mark.parametrize("kind", ["gan", "stopped early", "several outputs", "autoencoder", "graph"])
def test_every_kind_of_training_is_tracked(kind, tmp_path):
    network, data, settings = OTHERS.get(kind) or KINDS[kind]
    settings = settings | {"epochs": 2, "batch_size": 12}
    run = pel.train(network, data, progress=False, callbacks=[TensorBoard(tmp_path)], **settings)
    board = read(tmp_path)
    made = run.history.epochs_made
    watched = (
        {"held_out_loss": "loss/validation" if run.experiment.decides else "loss/held_out"}
        if not run.adversarial
        else {}
    )
    for column, tag in ({"loss": "loss/training"} | watched).items():
        assert [value for _, value in curve(board, tag)] == run.history.epochs[column].astype(np.float32).tolist()
    assert len(board.Graph().node) >= sum(len(network.names) for network in run.networks.values())
    assert curve(board, "epoch") == [(run.history.steps_per_epoch * (i + 1), i + 1) for i in range(made)]


RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
TWO = pel.Network.graph(
    inputs=("a", "b"),
    nodes={
        "both": (pel.layers.Concatenate(), ("a", "b")),
        "hidden": (pel.Dense(4, "relu"), "both"),
        "kind": (pel.Dense(1, "sigmoid"), "hidden"),
        "size": (pel.Dense(1), "hidden"),
    },
    outputs=("kind", "size"),
)
NOISE = pel.make_dataset(RNG.normal(size=(64, 8, 8, 1)).astype(np.float32), task="generation", held_out=None)
OTHERS = {
    "gan": (
        pel.networks.GAN(
            pel.Network(pel.Dense(64, "tanh"), pel.layers.Reshape((8, 8, 1))),
            pel.Network(pel.Conv2D(2, 3, activation="leaky_relu"), pel.Flatten(), pel.Dense(1)),
            latent=2,
        ),
        NOISE,
        {},
    ),
    "stopped early": ((4,), IRIS, {"early_stopping": 2}),
    "several outputs": (TWO, ({"a": X, "b": X[:, :2]}, {"kind": X[:, 0] > 0, "size": X[:, 1]}), {}),
}


def test_points_are_the_same_however_they_are_cut():
    run = pel.train((4,), IRIS, epochs=6, batch_size=20, record_every=4, histograms_every=8, progress=False)
    whole = points_of(run.history, 0, 36)
    for cuts in ((0, 36), (0, 1, 6, 7, 17, 36), tuple(range(37))):
        parts = {}
        for start, stop in itertools.pairwise(cuts):
            part = points_of(run.history, start, stop)
            assert all(start < step <= stop for step in part)
            parts |= part
        assert parts == whole


def test_a_grid_of_images_is_one_image():
    images = np.arange(5 * 2 * 3).reshape(5, 2, 3)
    sheet = as_pixels(ImageGrid("", images, columns=3))
    scale = 8  # 3 pixels become 24
    assert sheet.shape == (2 * (2 * scale + 3) - 3, 3 * (3 * scale + 3) - 3, 3)
    assert sheet[0, 0].tolist() == [255] * 3  # the smallest number is light
    assert sheet[2 * scale + 3, 3 * scale + 3].tolist() == [255 - round(24 / 29 * 255)] * 3  # the fifth image's first
    assert (sheet[-1, -1] == 255).all()  # there is no sixth


def test_without_a_run_folder_points_are_sent_at_once_and_an_earlier_training_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(tracker, "SECONDS", 0.0)
    seen = []

    def look(training):
        seen.append(len(curve(read(tmp_path), "loss/training")))

    for epochs in (4, 2):
        pel.train((4,), IRIS, epochs=epochs, progress=False, callbacks=[TensorBoard(tmp_path), look])
    assert seen == [1, 2, 3, 4, 1, 2]
    with pytest.raises(InvalidValue, match=r"there is none. Give one, train\(…, folder=…\), or a folder of its own"):
        pel.train((4,), IRIS, epochs=1, progress=False, callbacks=[TensorBoard()])


def test_an_error_is_sent_too(tmp_path):
    with pytest.raises(TrainingDiverged):
        pel.train((4,), IRIS, epochs=9, optimizer="sgd", learning_rate=1e18, folder=tmp_path / "run", progress=False,
                  callbacks=[TensorBoard()])  # fmt: skip
    board = read(tmp_path / "run/tensorboard")
    text = board.Tensors("result/text_summary")[0].tensor_proto.string_val[0].decode()
    assert re.search(r"NaN or infinite", text)


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    for package, extra, of in [
        ("tensorboardX", "tensorboard", TensorBoard(tmp_path)),
        ("mlflow", "mlflow", MLflow()),
        ("wandb", "wandb", WandB()),
    ]:
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtra, match=rf"pip install 'pellucid\[{extra}\]'"):
            pel.train((4,), IRIS, epochs=1, progress=False, callbacks=[of])
    with pytest.raises(InvalidValue, match="mode"):
        WandB(mode="live")


def test_the_command_line_tracks(tmp_path):
    def pellucid(*arguments, code=0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output
        return result.output

    folder = tmp_path / "run"
    pellucid(
        "train", "iris", "--network", "4", "--epochs", 2, "--folder", folder, "--track", "tensorboard", "--no-progress"
    )
    pellucid("resume", folder, "--epochs", 3, "--track", "tensorboard", "--no-progress")
    assert [step for step, _ in curve(read(folder / "tensorboard"), "loss/held_out")] == [4, 8, 12]
    assert "none of tensorboard, mlflow, wandb" in pellucid("train", "iris", "--track", "aim", code=2)
    assert "--track: with --folds" in pellucid("train", "iris", "--folds", 3, "--track", "wandb", code=2)


# ------------------------------------------------------------------------- with a server, and killed


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of MLflow, on SQLite."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/runs.db"]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--port", str(port), "--workers", "1"]
    log = (folder / "log").open("w")
    process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=folder)
    address, began = f"http://127.0.0.1:{port}", time.monotonic()
    while True:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=2).close()
            break
        except (urllib.error.URLError, TimeoutError):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() - began < 120
            time.sleep(0.1)
    yield address
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)
    log.close()


SCRIPT = """
import os, signal, sys
import pellucid as pel
from pellucid.callbacks import MLflow, TensorBoard, WandB
from pellucid.tracking import tracker

tracker.SECONDS = 0.0

def kill(training):
    if training.epoch == 5:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    _, folder, address = sys.argv
    trackers = [TensorBoard(), WandB(), MLflow("killed", address)]
    pel.train(
        (4,), pel.load_dataset("iris"), epochs=8, folder=folder, checkpoint_every=0.0, record_every=5, progress=False,
        callbacks=[*trackers, kill],
    )
"""


def logged(path):
    """The history in a file of Weights & Biases, which is LevelDB's log of its records."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole, records = path.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        if 2**15 - at % 2**15 < 7:
            at += 2**15 - at % 2**15
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if kind == 0:
            break
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # the whole of it, or its last part
            records.append(Record.FromString(whole))
            whole = b""
    return [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records
        if record.HasField("history")
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_killed_and_resumed_no_point_is_missing_and_none_is_there_twice(server, tmp_path, monkeypatch):
    import mlflow

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "tracked.py").write_text(SCRIPT)
    killed = subprocess.run([sys.executable, "tracked.py", "run", server], check=False)
    assert killed.returncode == -signal.SIGKILL
    ledger = json.loads(Path("run/tracking.json").read_text())
    assert {name: entry["sent"] for name, entry in ledger.items()} == {
        "tensorboard": 16,
        "wandb": 16,
        "mlflow": 16,
    }  # what the checkpoint before the kill holds
    mine = MLflow("killed", server)
    run = pel.resume("run", progress=False, callbacks=[TensorBoard(), WandB(), mine])
    losses = [(4 * (i + 1), loss) for i, loss in enumerate(run.history.epochs["held_out_loss"].tolist())]
    steps = [(i + 1, loss) for i, loss in list(enumerate(run.history.steps["loss"].tolist()))[::5]]

    board = read("run/tensorboard")
    assert curve(board, "loss/held_out") == losses
    assert curve(board, "loss/step") == steps

    client = mlflow.MlflowClient(server)
    (found,) = client.search_runs([client.get_experiment_by_name("killed").experiment_id])
    for tag, points in {"loss/held_out": losses, "loss/step": steps}.items():
        assert [(metric.step, metric.value) for metric in client.get_metric_history(found.info.run_id, tag)] == points
    assert found.info.status == "FINISHED"
    assert found.data.params["optimizer.name"] == "adam"
    assert found.data.metrics["result/accuracy"] == run.result["accuracy"]
    kept = mlflow.artifacts.download_artifacts(run_id=found.info.run_id, artifact_path="run", tracking_uri=server)
    assert pel.load(kept).result == run.result
    assert sorted(str(path.relative_to(kept)) for path in Path(kept).rglob("*.*")) == sorted(
        map(str, artifacts(Path("run")))
    )

    parts = [logged(path) for path in sorted(Path("wandb").glob("offline-run-*/run-*.wandb"))]
    assert len(parts) == 2
    rows = parts[-1]  # the other was killed before anything was written
    assert [(row["_step"], row["loss/held_out"]) for row in rows if "loss/held_out" in row] == losses
    assert [(row["_step"], row["loss/step"]) for row in rows if "loss/step" in row] == steps
    assert len(list(Path("wandb").glob(f"offline-run-*/run-{ledger['wandb']['place']}.wandb"))) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_mlflow_logs_into_the_active_run_and_says_how_its_own_ended(server, monkeypatch, tmp_path):
    import mlflow

    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(server)
    mlflow.set_experiment("active")
    with mlflow.start_run(run_name="mine") as active:
        pel.train((4,), IRIS, epochs=1, progress=False, callbacks=[MLflow()])
        assert mlflow.active_run().info.run_id == active.info.run_id
    client = mlflow.MlflowClient()
    assert client.get_run(active.info.run_id).data.metrics["epoch"] == 1
    with pytest.raises(ZeroDivisionError):
        pel.train((4,), IRIS, epochs=3, progress=False, callbacks=[MLflow(), lambda training: 1 // 0])
    assert mlflow.active_run() is None
    runs = client.search_runs([active.info.experiment_id])
    assert {run.info.run_name: run.info.status for run in runs} == {"mine": "FINISHED", "iris-4": "FAILED"}
