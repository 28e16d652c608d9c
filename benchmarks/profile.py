"""Where the time of a training step goes: the kernels of the compiled program, by what they do.

    python -m benchmarks.profile lstm --batch-size 128

The kernels are timed inside the running program by JAX's profiler; both threads' times are added up. A kernel that
counts as a product may itself use both threads.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks import contenders
from benchmarks.contenders import Task

KINDS = {
    "native kernels": ("ffi_call",),
    "matrix products": ("ynn_fusion", "dot", "convolution"),
    "copies, fills and joins": ("copy", "wrapped_copy", "broadcast", "wrapped_broadcast", "concatenate", "slice"),
    "writes into the arrays that a loop fills": ("bitcast_dynamic-update-slice", "dynamic-update-slice"),
}
"""Kinds of kernels by how XLA names them; all others compute element by element, or sum."""
REST = "element by element, sums"
HOLDERS = ("ThunkExecutor", "SlinkyThreadPool", "while", "conditional", "call")
"""Events that hold kernels, or wait for them."""


def events(folder: Path) -> Iterator[tuple[str, float]]:
    """Name and seconds of each kernel that XLA's threads ran."""
    import jax

    (path,) = folder.rglob("*.xplane.pb")
    for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
        for line in plane.lines:
            if line.name.startswith("tf_XLAEigen"):
                yield from ((event.name, event.duration_ns / 1e9) for event in line.events)


def kind_of(kernel: str) -> str:
    """What a kernel does, told from its name."""
    return next((kind for kind, starts in KINDS.items() if kernel.startswith(starts)), REST)


def profile(task: Task) -> tuple[float, dict[str, tuple[float, float]]]:
    """Milliseconds of a step without the profiler; and for each kernel milliseconds and calls a step with it."""
    import jax

    contender = contenders.pellucid(task)
    contender.train(1)
    steps = task.epochs * -(-len(task.dataset().train) // task.batch_size)
    began = time.perf_counter()
    contender.train(task.epochs)
    whole = (time.perf_counter() - began) * 1e3 / steps
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            contender.train(task.epochs)
        found: dict[str, list[float]] = defaultdict(list)
        for name, seconds in events(Path(folder)):
            if not name.startswith(HOLDERS):
                found[name].append(seconds)
    return whole, {name: (sum(times) * 1e3 / steps, len(times) / steps) for name, times in found.items()}


@click.command()
@click.argument("network")
@click.option("--batch-size", default=128, show_default=True)
@click.option("--epochs", default=2, show_default=True)
def main(network: str, batch_size: int, epochs: int) -> None:
    """Profile the training step of NETWORK: cnn, lstm, autoencoder, or hidden units such as 128-128."""
    units = tuple(map(int, network.split("-"))) if network[0].isdigit() else ()
    whole, kernels = profile(Task("mnist-5k", units, batch_size, epochs, None if units else network))
    by_kind: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for name, (ms, calls) in kernels.items():
        by_kind[kind_of(name)][0] += ms
        by_kind[kind_of(name)][1] += calls
    print(f"{network}, batch {batch_size}: {whole:.2f} ms a step; inside its kernels:\n")
    print("| kernels | ms/step | calls/step |\n|---|---|---|")
    for kind, (ms, calls) in sorted(by_kind.items(), key=lambda item: -item[1][0]):
        print(f"| **{kind}** | **{ms:.2f}** | {calls:.0f} |")
    for name, (ms, calls) in sorted(kernels.items(), key=lambda item: -item[1][0])[:12]:
        print(f"| {name} | {ms:.2f} | {calls:.0f} |")


if __name__ == "__main__":
    main()
