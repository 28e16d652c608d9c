"""The data of the programs: scikit-learn's own, and some drawn from a seed; a part of the rows is held out."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets

Arrays = dict[str, np.ndarray]
DATA: dict[str, Callable[[], Arrays]] = {}
"""What makes each data set, by its name."""


def split(x: Any, y: Any, held_out: float = 0.3, seed: int = 1) -> Arrays:
    """Rows in a random order, the last share of them held out."""
    order = np.random.default_rng(seed).permutation(len(x))
    first = len(x) - round(held_out * len(x))
    parts = {"train": order[:first], "test": order[first:]}
    of = {"x": np.asarray(x, np.float32), "y": np.asarray(y, np.float32)}
    return {f"{axis}_{part}": array[rows] for axis, array in of.items() for part, rows in parts.items()}


def data(make: Callable[[], Arrays]) -> Callable[[], Arrays]:
    """Put a data set into the table."""
    DATA[make.__name__] = make
    return make


def _sorted(arrays: Arrays) -> Arrays:
    order = np.argsort(arrays["y_train"], kind="stable")
    return arrays | {"x_train": arrays["x_train"][order], "y_train": arrays["y_train"][order]}


def _with_noise(arrays: Arrays, share: float, seed: int, both: bool = False) -> Arrays:
    """Labels drawn anew for a share of the training rows, those as they were beside them."""
    rng, made = np.random.default_rng(seed), dict(arrays)
    classes = np.unique(arrays["y_train"])
    for part in ("train", "test") if both else ("train",):
        y = arrays[f"y_{part}"]
        other = classes[(np.searchsorted(classes, y) + rng.integers(1, len(classes), len(y))) % len(classes)]
        made[f"y_{part}"] = np.where(rng.random(len(y)) < share, other, y)
    return made | {"y_train_true": arrays["y_train"]}


@data
def iris() -> Arrays:
    """Three flowers, four lengths."""
    return split(*datasets.load_iris(return_X_y=True))


@data
def wine() -> Arrays:
    """Three growers, thirteen columns of very different units."""
    return split(*datasets.load_wine(return_X_y=True))


@data
def cancer() -> Arrays:
    """Two classes, thirty columns of very different units."""
    return split(*datasets.load_breast_cancer(return_X_y=True))


@data
def digits() -> Arrays:
    """Ten digits, 64 shades from 0 to 16."""
    return split(*datasets.load_digits(return_X_y=True))


@data
def digit_images() -> Arrays:
    """The digits as images of 8 x 8."""
    bunch = datasets.load_digits()
    return split(bunch.images, bunch.target)


@data
def few_digits() -> Arrays:
    """A hundred digits to learn from, many held out."""
    return split(*datasets.load_digits(return_X_y=True), held_out=1697 / 1797)


@data
def diabetes() -> Arrays:
    """Ten columns in their own units, a progression of 25 to 346."""
    return split(*datasets.load_diabetes(return_X_y=True, scaled=False))


@data
def digits_in_order() -> Arrays:
    """The digits, sorted by class."""
    return _sorted(digits())


@data
def digits_by_hand() -> Arrays:
    """Digits of which half are labelled wrongly in training."""
    return _with_noise(digits(), 0.5, seed=5)


@data
def cancer_by_hand() -> Arrays:
    """Two classes of which two fifths are labelled wrongly in training."""
    return _with_noise(cancer(), 0.4, seed=6)


@data
def wine_joined() -> Arrays:
    """Labels joined to the wrong rows for most of the training."""
    return _with_noise(wine(), 0.55, seed=7)


@data
def moons() -> Arrays:
    """Two half moons."""
    return split(*datasets.make_moons(600, noise=0.2, random_state=11))


@data
def moons_of_labels_in_doubt() -> Arrays:
    """Half moons of which a fifth of all labels, held-out ones too, are the other: nobody gets more than 0.8."""
    return _with_noise(split(*datasets.make_moons(1500, noise=0.1, random_state=12), held_out=0.5), 0.2, 3, True)


@data
def moons_far_off() -> Arrays:
    """Half moons around (30, −20)."""
    x, y = datasets.make_moons(600, noise=0.15, random_state=13)
    return split(x + np.array([30, -20]), y)


@data
def circles() -> Arrays:
    """A circle in a circle."""
    return split(*datasets.make_circles(600, noise=0.08, factor=0.5, random_state=14))


@data
def spirals() -> Arrays:
    """Two spirals."""
    rng = np.random.default_rng(15)
    y = np.arange(800) % 2
    turn = np.sqrt(rng.random(800)) * 3 * np.pi
    x = np.stack([np.cos(turn + np.pi * y), np.sin(turn + np.pi * y)], 1) * turn[:, None] / 4
    return split(x + rng.normal(0, 0.08, x.shape), y)


@data
def blobs() -> Arrays:
    """Five clouds of points in six dimensions."""
    return split(*datasets.make_blobs(700, 6, centers=5, cluster_std=4.0, random_state=16))


@data
def quadrants() -> Arrays:
    """XOR of the signs of two columns, with two more that say nothing."""
    rng = np.random.default_rng(17)
    x = rng.uniform(-1, 1, (700, 4))
    return split(x, x[:, 0] * x[:, 1] > 0)


@data
def customers() -> Arrays:
    """Who leaves: age, salary, balance, years, calls; in their own units."""
    rng = np.random.default_rng(18)
    age, years, calls = rng.uniform(18, 80, 900), rng.integers(0, 20, 900), rng.poisson(2, 900)
    salary, balance = rng.uniform(2e4, 1.5e5, 900), rng.uniform(0, 2.5e5, 900)
    score = (age - 50) / 12 - (years - 10) / 5 + calls - 2 + (balance - salary - 4e4) / 6e4
    return split(np.stack([age, salary, balance, years, calls], 1), score + rng.normal(0, 0.4, 900) > 0)


@data
def frauds() -> Arrays:
    """One row of twenty-five is a fraud."""
    x, y = datasets.make_classification(
        2400, 8, n_informative=5, n_redundant=1, weights=[0.96], class_sep=1.1, flip_y=0.0, random_state=19
    )
    return split(x, y, held_out=0.5)


@data
def frauds_in_cents() -> Arrays:
    """Frauds, with two of their columns in cents."""
    arrays = frauds()
    units = np.array([900, 1, 1, 4000, 1, 1, 1, 1], np.float32)
    return arrays | {axis: arrays[axis] * units for axis in ("x_train", "x_test")}


@data
def three_to_one() -> Arrays:
    """A sound table whose classes are 24 and 76 of a hundred."""
    return split(*datasets.make_classification(900, 10, n_informative=6, weights=[0.76], flip_y=0.02, random_state=20))


@data
def spam() -> Arrays:
    """Counts of 120 words in short texts of three kinds."""
    rng = np.random.default_rng(21)
    y = rng.integers(0, 3, 900)
    rates = rng.gamma(0.3, 0.6, (3, 120)) + 0.05
    return split(rng.poisson(rates[y] * 0.6), y)


@data
def sensors() -> Arrays:
    """Five useful columns among 150 that say nothing, and few rows."""
    x, y = datasets.make_classification(
        360, 155, n_informative=5, n_redundant=0, shuffle=False, class_sep=1.5, random_state=22
    )
    return split(x, y, held_out=0.6)


@data
def wine_with_number() -> Arrays:
    """Wines with a column that holds the grower in training, and anything elsewhere."""
    arrays, rng = wine(), np.random.default_rng(23)
    extra = {"x_train": arrays["y_train"], "x_test": rng.integers(0, 3, len(arrays["y_test"])).astype(np.float32)}
    return arrays | {axis: np.column_stack([arrays[axis], 400 * column]) for axis, column in extra.items()}


@data
def cancer_with_code() -> Arrays:
    """Tumours with a code that was filled in after the diagnosis."""
    arrays, rng = cancer(), np.random.default_rng(24)
    made = dict(arrays)
    for part in ("train", "test"):
        y = arrays[f"y_{part}"] if part == "train" else rng.integers(0, 2, len(arrays["y_test"]))
        made[f"x_{part}"] = np.column_stack([arrays[f"x_{part}"], y + rng.normal(0, 0.02, len(y))])
    return {axis: array.astype(np.float32) for axis, array in made.items()}


@data
def cancer_with_gaps() -> Arrays:
    """Tumours with empty cells in the training rows."""
    arrays, rng = cancer(), np.random.default_rng(25)
    x = arrays["x_train"].copy()
    x[rng.random(x.shape) < 0.002] = np.nan
    return arrays | {"x_train": x}


@data
def houses() -> Arrays:
    """Price of a house of its area, rooms, year and distance; in their own units."""
    rng = np.random.default_rng(26)
    area, rooms = rng.uniform(40, 300, 800), rng.integers(1, 9, 800)
    year, distance = rng.integers(1900, 2021, 800), rng.uniform(100, 30000, 800)
    price = 1500 * area * (1 + np.exp(-distance / 8000)) + 12000 * rooms + 900 * (year - 1900)
    x = np.stack([area, rooms, year, distance], 1)
    return split(x, price + rng.normal(0, 15000, 800))


@data
def salaries() -> Arrays:
    """Salary of years at work, a line."""
    rng = np.random.default_rng(27)
    years = rng.uniform(0, 20, 300)
    return split(years[:, None], 28000 + 4500 * years + rng.normal(0, 5000, 300))


@data
def fahrenheit() -> Arrays:
    """Fahrenheit of Celsius."""
    celsius = np.random.default_rng(28).uniform(-40, 60, 300)
    return split(celsius[:, None], 1.8 * celsius + 32)


@data
def power() -> Arrays:
    """Power of a plant: temperature, vacuum, pressure, humidity; about 450 MW."""
    rng = np.random.default_rng(29)
    warm, vacuum = rng.uniform(2, 37, 800), rng.uniform(25, 82, 800)
    pressure, humid = rng.normal(1013, 6, 800), rng.uniform(25, 100, 800)
    mw = 497 - 1.7 * warm - 0.23 * vacuum + 0.06 * (pressure - 1013) - 0.0025 * humid * warm + 9 * np.sin(warm / 6)
    return split(np.stack([warm, vacuum, pressure, humid], 1), mw + rng.normal(0, 3, 800))


@data
def friedman() -> Arrays:
    """Friedman's first function of ten columns."""
    return split(*datasets.make_friedman1(700, noise=1.0, random_state=30))


@data
def fourth_power() -> Arrays:
    """The fourth power of −20 to 20."""
    x = np.random.default_rng(31).uniform(-20, 20, 600)
    return split(x[:, None], x**4)


@data
def sine() -> Arrays:
    """One and a half waves."""
    rng = np.random.default_rng(32)
    x = rng.uniform(-5, 5, 500)
    return split(x[:, None], np.sin(x) + rng.normal(0, 0.1, 500))


@data
def few_points() -> Arrays:
    """A noisy curve of 24 points in ten columns, many held out."""
    rng = np.random.default_rng(33)
    x = rng.normal(size=(424, 10))
    return split(x, x @ rng.normal(size=10) + rng.normal(0, 2.0, 424), held_out=400 / 424)


@data
def plane() -> Arrays:
    """A linear function of eight columns."""
    rng = np.random.default_rng(34)
    x = rng.normal(size=(500, 8))
    return split(x, x @ rng.normal(size=8) + 3 + rng.normal(0, 0.5, 500))


@data
def long_tailed() -> Arrays:
    """A linear function whose training targets have some wild values."""
    rng = np.random.default_rng(35)
    x = rng.normal(size=(600, 6))
    arrays = split(x, x @ rng.normal(size=6))
    wild = rng.random(len(arrays["y_train"])) < 0.08
    off = (wild * rng.normal(0, 15, len(wild))).astype(np.float32)
    return arrays | {"y_train": arrays["y_train"] + off, "y_train_true": arrays["y_train"]}


@data
def genres() -> Arrays:
    """Up to five labels a row."""
    return split(*datasets.make_multilabel_classification(900, 20, n_classes=5, n_labels=2, random_state=36))


@data
def alarms() -> Arrays:
    """Four switches, each of the sign of its own sum of columns."""
    rng = np.random.default_rng(37)
    x = rng.normal(size=(800, 12))
    return split(x, x @ rng.normal(size=(12, 4)) + rng.normal(0, 0.3, (800, 4)) > 0.5)


@data
def scanned_pages() -> Arrays:
    """Autoencoder: digits of 0 to 1, the targets those same."""
    x = datasets.load_digits().data / 16
    return split(x, x)


@data
def tumours_again() -> Arrays:
    """Autoencoder: thirty columns, standardised, the targets those same."""
    x = datasets.load_breast_cancer().data
    x = (x - x.mean(0)) / x.std(0)
    return split(x, x)


@data
def surfaces() -> Arrays:
    """Autoencoder: twelve columns that two numbers make."""
    rng = np.random.default_rng(38)
    hidden = rng.normal(size=(700, 2))
    x = np.tanh(hidden @ rng.normal(size=(2, 12))) + rng.normal(0, 0.03, (700, 12))
    return split(x, x)


@data
def waves() -> Arrays:
    """The next value of a sum of two waves, of twenty."""
    rng = np.random.default_rng(39)
    begin = rng.uniform(0, 60, 600)
    time = begin[:, None] + np.arange(21) * 0.4
    series = np.sin(time) + 0.5 * np.sin(2.3 * time)
    return split(series[:, :20, None], series[:, 20])


@data
def temperatures() -> Arrays:
    """The next of 24 temperatures, in degrees Fahrenheit."""
    rng = np.random.default_rng(40)
    begin, mean = rng.uniform(0, 24, 600), rng.uniform(45, 75, 600)
    hours = begin[:, None] + np.arange(25)
    series = mean[:, None] + 15 * np.sin(hours * np.pi / 12) + rng.normal(0, 1, hours.shape)
    return split(series[:, :24, None], series[:, 24])


@data
def first_word() -> Arrays:
    """Whether the first of thirty numbers was positive."""
    x = np.random.default_rng(41).normal(size=(800, 30, 1))
    return split(x, x[:, 0, 0] > 0)


@data
def majority() -> Arrays:
    """Whether the sum of fifteen steps is positive."""
    x = np.random.default_rng(42).normal(size=(700, 15, 1))
    return split(x, x.sum((1, 2)) > 0)


@data
def sums() -> Arrays:
    """The sum of eight numbers from 0 to 99."""
    x = np.random.default_rng(43).integers(0, 100, (700, 8, 1))
    return split(x, x.sum((1, 2)))


@data
def which_motif() -> Arrays:
    """Which of three short motifs a noisy series holds, anywhere."""
    rng = np.random.default_rng(44)
    motifs = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, 1, 1, 1]]) * 2.0
    y, x = rng.integers(0, 3, 700), rng.normal(0, 0.4, (700, 12))
    for row, place in enumerate(rng.integers(0, 9, 700)):
        x[row, place : place + 4] += motifs[y[row]]
    return split(x[..., None], y)


@data
def bars() -> Arrays:
    """Images of 10 x 10: a bar lies, stands or leans; shades of 0 to 255."""
    rng = np.random.default_rng(45)
    y, x = rng.integers(0, 3, 700), rng.uniform(0, 130, (700, 10, 10))
    for row, place in enumerate(rng.integers(0, 10, 700)):
        lit = [(place, slice(None)), (slice(None), place), (np.arange(10), (np.arange(10) + place) % 10)]
        x[row][lit[y[row]]] += 100
    return split(x.clip(0, 255), y)


@data
def crosses() -> Arrays:
    """Images of 9 x 9: a cross or a ring, somewhere; shades of 0 to 1."""
    rng = np.random.default_rng(46)
    cross, ring = np.eye(5) + np.eye(5)[::-1] > 0, np.ones((5, 5))
    ring[1:4, 1:4] = 0
    y, x = rng.integers(0, 2, 600), rng.uniform(0, 0.6, (600, 9, 9))
    for row, (top, left) in enumerate(rng.integers(0, 5, (600, 2))):
        x[row, top : top + 5, left : left + 5] += 0.4 * (ring if y[row] else cross)
    return split(x, y)
