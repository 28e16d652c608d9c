"""The experiment that the default recipe was chosen by: ``python -m benchmarks.recipes [CANDIDATES…]``.

Each candidate is fitted on the tables of `benchmarks.tables.CHOOSING`, a fifth of the rows held out, several times.
"""

import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.defaults import Split, boosting, encoded, fitted, perceptron, split
from benchmarks.measure import say
from benchmarks.tables import CHOOSING, LARGE

RESULTS = Path(__file__).parent / "recipes.json"
SPLITS = 2
PEERS = {"MLP": perceptron, "HistGradientBoosting": boosting}


@dataclass(frozen=True)
class Candidate:
    """A recipe.

    Args:
        units: of the hidden layers.
        initializer: of their weights.
        optimizer: by name and fields.
        rate: learning rate.
        per_epoch: steps of an epoch that the batch size aims for.
        most: largest batch size; the smallest is 16.
        batch: a fixed batch size instead.
        budget: most steps of the first training.
        patience: steps without a lower loss on the validation part, and at least 5 epochs.
        delta: how much lower a loss must be to count as lower.
        share: fraction of the rows watched.
        stretch: steps of the second training, on all rows, over those that the first one found; 0: the first one's
            best network is kept.
        least: fewest steps of the second training.
        decay: cosine decay of the learning rate over the second training.
        dropout: fraction of neurons dropped.
        falling: cosine decay over the budget of the first training.
    """

    units: tuple[int, ...] = (128,)
    initializer: str = "glorot_uniform"
    optimizer: tuple[tuple[str, Any], ...] = (("name", "adam"),)
    rate: float = 3e-3
    per_epoch: int = 16
    most: int = 256
    batch: int | None = None
    budget: int = 4000
    patience: int = 200
    delta: float = 1e-3
    share: float = 0.1
    stretch: float = 2.0
    least: int = 500
    decay: bool = True
    dropout: float = 0.0
    falling: bool = False

    def batch_size(self, rows: int) -> int:
        """Rows of a step."""
        if self.batch is not None:
            return min(rows, self.batch)
        return min(rows, max(16, min(self.most, 2 ** round(math.log2(rows / self.per_epoch)))))

    def fit(self, of: Split, seed: int) -> tuple[float, float, int]:
        """Score on the held-out rows, accuracy or R², seconds and steps of the fit."""
        import pellucid as pel
        from pellucid.data import make_dataset

        x, test = encoded(of)
        task = "regression" if of.task == "regression" else None
        y, y_test = (part.astype(np.float64) if task else part.astype(str) for part in (of.y, of.y_test))
        data = make_dataset(x, y, held_out=(test, y_test), task=task, preprocessing="none")
        fitted_rows = len(y) - math.ceil(self.share * len(y))
        size = self.batch_size(fitted_rows)
        steps = -(-fitted_rows // size)
        common: dict[str, Any] = {
            "batch_size": size,
            "seed": seed,
            "initializer": self.initializer,
            "record_every": 0,
            "progress": False,
        }
        if self.dropout:
            common["dropout"] = self.dropout
        optimizer = {**dict(self.optimizer), "learning_rate": self.rate}
        epochs, first = -(-self.budget // steps), optimizer
        if self.falling:
            first = {**optimizer, "learning_rate": decay(self.rate, epochs)}
        began = time.perf_counter()
        run = pel.train(
            self.units,
            data,
            **common,
            optimizer=first,
            epochs=epochs,
            validation=self.share,
            early_stopping=pel.EarlyStopping(max(5, -(-self.patience // steps)), self.delta),
        )
        made = run.history.steps_made
        if self.stretch:
            assert run.best_epoch is not None
            epochs = max(1, round(max(self.least, self.stretch * run.best_epoch * steps) / -(-len(y) // size)))
            if self.decay:
                optimizer = {**optimizer, "learning_rate": decay(self.rate, epochs)}
            run = pel.train(self.units, data, **common, optimizer=optimizer, epochs=epochs)
            made += run.history.steps_made
        seconds = time.perf_counter() - began
        predicted = run.predict(test)
        if task:
            error = ((predicted - y_test) ** 2).mean() / y_test.var()
            return float(1 - error), seconds, made
        return float((predicted.astype(str) == y_test).mean()), seconds, made


def decay(rate: float, epochs: int) -> dict[str, Any]:
    """From a rate to 0 along half a cosine."""
    return {"name": "cosine_decay", "learning_rate": rate, "epochs": epochs}


BASE = Candidate(least=0, delta=0)
"""What the other candidates vary; the fewest steps and the least improvement were added last."""

CANDIDATES = {
    "chosen": Candidate(),
    "no fewest steps": BASE,
    "at least 1,000 steps": replace(BASE, least=1000),
    "lower by anything": Candidate(delta=0),
    "lower by 0.003": Candidate(delta=3e-3),
    "stretch 3": replace(BASE, stretch=3),
    "constant rate, stretch 1": replace(BASE, stretch=1, decay=False),
    "best network kept": replace(BASE, stretch=0),
    "He's initializer": replace(BASE, initializer="he_normal"),
    "rate 0.001": replace(BASE, rate=1e-3),
    "rate 0.005": replace(BASE, rate=5e-3),
    "rate 0.01": replace(BASE, rate=1e-2),
    "256 units": replace(BASE, units=(256,)),
    "128-128 units": replace(BASE, units=(128, 128)),
    "weight decay 0.1": replace(BASE, optimizer=(("name", "adamw"), ("weight_decay", 0.1))),
    "dropout 0.2": replace(BASE, dropout=0.2),
    "batch size 32": replace(BASE, batch=32),
    "batch size 200": replace(BASE, batch=200),
    "patience 400": replace(BASE, patience=400),
    "a fifth watched": replace(BASE, share=0.2),
}
OF_LARGE = {
    "no fewest steps": BASE,
    "best network kept": CANDIDATES["best network kept"],
    "one training, 4,000 steps, decay": Candidate(stretch=0, falling=True),
    "one training, 10,000 steps, decay": Candidate(stretch=0, falling=True, budget=10_000, patience=1000),
}
"""Recipes for many rows."""


def measured(name: str, of: Split, seed: int) -> tuple[float, float, int]:
    """Score, seconds and steps of a candidate or a peer."""
    if name in PEERS:
        return *fitted(PEERS[name](of, seed), of), 0
    return (CANDIDATES | OF_LARGE)[name].fit(of, seed)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*PEERS, *CANDIDATES, *OF_LARGE]), metavar="[CANDIDATES]...")
@click.option("--large", is_flag=True, help="On the tables of many rows.")
@click.option("--splits", type=click.IntRange(1), default=SPLITS, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS)
def main(names: tuple[str, ...], large: bool, splits: int, output: Path) -> None:
    """Fit the candidates of these names, or all, to the tables that the file of results lacks of them."""
    results = json.loads(output.read_text()) if output.exists() else {}
    part = results.setdefault("many rows" if large else "few rows", {})
    for name in names or (*PEERS, *(OF_LARGE if large else CANDIDATES)):
        of_name = part.setdefault(name, {})
        for table in LARGE if large else CHOOSING:
            if table.name not in of_name:
                rows = [measured(name, split(table, seed), seed) for seed in range(splits)]
                of_name[table.name] = [[round(number, 4) for number in row] for row in rows]
                output.write_text(json.dumps(results) + "\n")
        if all(len(part.get(peer, ())) == len(of_name) for peer in PEERS):
            say(f"{name}: {summary(part, name)}")


def summary(results: dict[str, Any], name: str) -> str:
    """Mean rank beside the peers, mean difference to the MLP, worst table, seconds over the MLP's."""
    scores = {
        who: {table: np.mean([row[0] for row in rows]) for table, rows in results[who].items()} for who in results
    }
    tables = [table for table in results[name] if all(table in scores[peer] for peer in PEERS)]
    ranks = [1 + sum(scores[peer][table] > scores[name][table] for peer in PEERS) for table in tables]
    gap = {table: scores[name][table] - scores["MLP"][table] for table in tables}
    worst = sorted(gap, key=lambda table: gap[table])[:3]
    ratios = [min(r[1] for r in results[name][t]) / min(r[1] for r in results["MLP"][t]) for t in tables]
    texts = ", ".join(f"{table} {100 * gap[table]:+.1f}" for table in worst)
    return (
        f"{len(tables)} tables, rank {np.mean(ranks):.2f}, difference {100 * np.mean(list(gap.values())):+.2f}, "
        f"worst {texts}; time over the MLP's {np.median(ratios):.2f}, at most {max(ratios):.2f}"
    )


if __name__ == "__main__":
    main()
