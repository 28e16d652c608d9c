"""Autonomous driving: the steering angle from a camera frame.

A small car was driven round a track by hand while its camera and the steering were recorded. A convolutional network
learns the angle from the frame alone; ridge regression on the same pixels in grey stands beside it. The frames are in
order, so the last fifth is held out: a lap that the network has not seen.

Data: a recording of Donkey Car, 1,000 frames of 160 × 120 pixels with steering angle and throttle, MIT licence.
"""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import PurePath
from typing import IO, Any, cast

import numpy as np

import pellucid as pel
from examples import harness
from examples.driving import pictures

ORIGIN = "a sample recording (tub) of the project Donkey Car, https://github.com/autorope/donkeycar, as tub.tar.gz"
TRAINING, FRAMES = 800, "the last 200 of 1,000 frames"
BARS = [harness.Bar(FRAMES, "convolutional network", "R²", ">", "ridge regression, grey pixels")]


def recording(smaller: int) -> tuple[np.ndarray, np.ndarray]:
    """The frames in their order, so many times smaller, without the upper third; the angles from −1, left, to 1."""
    from PIL import Image

    with tarfile.open(harness.find("driving/tub.tar.gz", ORIGIN)) as tub:
        members = [member for member in tub if member.isfile() and not PurePath(member.name).name.startswith("._")]
        files = {PurePath(member.name).name: cast(IO[bytes], tub.extractfile(member)).read() for member in members}
    entries = [json.loads(line) for name in files if name.endswith(".catalog") for line in files[name].splitlines()]
    entries.sort(key=lambda entry: entry["_index"])
    frames = [Image.open(io.BytesIO(files[entry["cam/image_array"]])) for entry in entries]
    road = [np.asarray(frame.crop((0, 40, 160, 120)).reduce(smaller)) for frame in frames]
    return np.stack(road), np.array([entry["user/angle"] for entry in entries])


def dataset(setting: harness.Setting) -> pel.Dataset:
    """The first frames and their mirror images to learn from; the last ones held out."""
    x, angle = recording(smaller=4 if setting.quick else 2)
    seen, seen_angle = x[:TRAINING], angle[:TRAINING]
    both = np.concatenate([seen, seen[:, :, ::-1]]), np.concatenate([seen_angle, -seen_angle])
    return pel.make_dataset(*both, name="driving", task="regression", held_out=(x[TRAINING:], angle[TRAINING:]))


def network() -> pel.Network:
    """Three convolutions and a dense layer; without normalisation, which made it worse on the validation frames."""
    return pel.Network(
        pel.Conv2D(16, 5, "relu", padding="same"),
        pel.MaxPool2D(2),
        pel.Conv2D(32, 3, "relu", padding="same"),
        pel.MaxPool2D(2),
        pel.Conv2D(64, 3, "relu", padding="same"),
        pel.MaxPool2D(2),
        pel.Flatten(),
        pel.Dense(64, "relu"),
        pel.Dense(1),
    )


def measure(setting: harness.Setting) -> harness.Scores:
    """Train the network on 800 frames and their mirror images, and a ridge regression."""
    data = dataset(setting)
    epochs = 4 if setting.quick else 8
    run = pel.train(
        network(),
        data,
        epochs=epochs,
        optimizer=pel.AdamW(pel.schedules.OneCycle(1e-3, epochs=epochs)),
        seed=setting.seed,
        folder=setting.folder / "network",
        overwrite=True,
    )
    test = data.held_out
    return {
        FRAMES: {
            "convolutional network": figures(test.y, run.predict(test.x)),
            "ridge regression, grey pixels": figures(test.y, ridge(data)),
        }
    }


def ridge(data: pel.Dataset) -> np.ndarray:
    """Predictions of ridge regression; its penalty is chosen on the last 160 frames of those to learn from."""
    from sklearn.linear_model import Ridge

    grey = data.train.x[:TRAINING].mean(axis=3).reshape(TRAINING, -1) / 255
    angle, first = data.train.y[:TRAINING, 0], TRAINING - 160
    candidates = [Ridge(alpha) for alpha in (1, 3, 10, 30, 100, 300)]
    best = max(candidates, key=lambda each: each.fit(grey[:first], angle[:first]).score(grey[first:], angle[first:]))
    held_out = data.held_out.x.mean(axis=3).reshape(len(data.held_out), -1) / 255
    return best.fit(grey, angle).predict(held_out)


def figures(angle: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """R² and mean absolute error."""
    from sklearn.metrics import mean_absolute_error, r2_score

    return {
        "R²": float(r2_score(angle, predicted)),
        "mean absolute error": float(mean_absolute_error(angle, predicted)),
    }


def what_mattered(run: pel.Run, frame: np.ndarray) -> np.ndarray:
    """The change of the angle when a patch of 8 × 8 pixels is covered in the frame's mean colour, for each patch."""
    height, width = frame.shape[:2]
    places = [(top, left) for top in range(0, height - 7, 4) for left in range(0, width - 7, 4)]
    covered = np.repeat(frame[None], len(places), axis=0)
    for copy, (top, left) in zip(covered, places, strict=True):
        copy[top : top + 8, left : left + 8] = frame.mean(axis=(0, 1))
    change = abs(run.predict(covered) - run.predict(frame[None])).reshape(-1)
    total, count = np.zeros((2, height, width))
    for value, (top, left) in zip(change, places, strict=True):
        total[top : top + 8, left : left + 8] += value
        count[top : top + 8, left : left + 8] += 1
    return total / count


def draw(setting: harness.Setting) -> Mapping[str, str]:
    """Draw predicted and true angles over time, single frames with their derivatives, and the drive as an animation."""
    data, run = dataset(setting), pel.load(setting.folder / "network")
    x, angle = data.held_out.x, data.held_out.y.reshape(-1)
    predicted = run.predict(x).reshape(-1)
    pictures.over_time(angle, {"network": predicted, "ridge regression": ridge(data)}, setting.picture("angles.svg"))
    if not setting.quick:  # an explanation checks its derivatives by differences, which takes seconds
        shown = [20, 90, 165]
        explanations: list[Any] = [run.explain(x[i], angle[i]).attribution for i in shown]
        moved = [explanation.integrated for explanation in explanations]
        pictures.frames(x[shown], angle[shown], predicted[shown], moved, setting.picture("frames.png"))
    film = range(0, len(x), 50 if setting.quick else 2)
    mattered = [what_mattered(run, x[i]) for i in film]
    pictures.drive(x[film], angle[film], predicted[film], mattered, setting.picture("drive.webp"))
    return {"doctor": str(run.diagnose(data))}
