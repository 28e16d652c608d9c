"""What a diagnosis costs beside its training: ``python -m benchmarks.doctor_cost``, one fresh process a training.

Trainings of the size that people wait for, healthy and with a rate a hundred times too high; the diagnosis without
trials and the one with. ``--one NAME`` makes one and prints its numbers.
"""

import json
import subprocess
import sys
import time
from typing import Any

import click

TRAININGS = {
    "dense": ((128, 128), "mnist", {"epochs": 10}, 1e-3),
    "dense, few rows": ((128, 128), "mnist-5k", {"epochs": 20}, 1e-3),
    "convolution": ((8,), "mnist-5k", {"epochs": 10}, 1e-3),
}
"""Units, data, settings, a rate that learns; the convolution has filters of 3 by 3 instead of units."""
FASTER = 100
"""Times the rate that learns."""


def measure(name: str, faulty: bool) -> dict[str, object]:
    """Seconds of a training and of both diagnoses, each with what it has to compile."""
    import pellucid as pel
    from pellucid.layers import Conv2D, Dense, Flatten, MaxPool2D
    from pellucid.network import Network

    units, data, settings, rate = TRAININGS[name]
    network: Any = units
    if name == "convolution":
        network = Network(Conv2D(units[0], 3, "relu"), MaxPool2D(2), Flatten(), Dense(10, "softmax"))
    rows = pel.load_dataset(data)
    began = time.perf_counter()
    run = pel.train(
        network, rows, optimizer=pel.Adam(rate * (FASTER if faulty else 1)), progress=False, seed=0, **settings
    )
    row: dict[str, object] = {"training": name, "faulty": faulty, "seconds": time.perf_counter() - began}
    for kind, trials in (("quick", False), ("full", True)):
        began = time.perf_counter()
        found = pel.diagnose(run, trials=trials)
        row |= {kind: time.perf_counter() - began, f"{kind} finds": found[0].label if found else ""}
    return row


@click.command()
@click.option("--one", help="Only this training.")
@click.option("--faulty", is_flag=True, help="With --one: at a rate too high.")
def main(one: str | None, faulty: bool) -> None:
    """Seconds of trainings, and of their diagnoses."""
    if one is not None:
        click.echo(json.dumps(measure(one, faulty)))
        return
    for name in TRAININGS:
        for more in ([], ["--faulty"]):
            command = [sys.executable, "-m", "benchmarks.doctor_cost", "--one", name, *more]
            row = json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
            )
            share = {kind: row[kind] / row["seconds"] for kind in ("quick", "full")}
            click.echo(
                f"{name}{', rate too high' if more else ''}: training {row['seconds']:.1f} s; without trials "
                f"{row['quick']:.2f} s ({share['quick']:.1%}, {row['quick finds'] or 'nothing'}); with trials "
                f"{row['full']:.2f} s ({share['full']:.1%}, {row['full finds'] or 'nothing'})"
            )


if __name__ == "__main__":
    main()
