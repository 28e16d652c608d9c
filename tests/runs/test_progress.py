"""Progress does not flood a log: few lines for epochs of any number and length; one place in a notebook."""

import sys
import types
from dataclasses import replace

import pytest

import pellucid as pel
from pellucid.runs import progress
from pellucid.runs.progress import ProgressReport
from pellucid.training import Progress

NOW = Progress(0, 0, 0.5, 0.5, 100, 0.1, False)


class Measured:
    """A history of so many epochs."""

    metric_name, batch_size = "accuracy", 10

    def __init__(self):
        self.epochs_made = 0

    @property
    def epochs(self):
        return {"epoch": range(1, self.epochs_made + 1), "loss": [0.5] * self.epochs_made}


def follow(epochs, seconds, calls=4, steps=100):
    """Show a training of that many epochs, each of so many seconds and calls."""
    clock, history = [0.0], Measured()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress.time, "monotonic", lambda: clock[0])
        with ProgressReport(history, epochs, steps) as report:
            for epoch in range(epochs):
                for call in range(1, calls + 1):
                    clock[0] += seconds / calls
                    history.epochs_made = epoch + (call == calls)
                    step = epoch * steps + call * steps // calls
                    report.show(replace(NOW, step=step, epoch=history.epochs_made))


@pytest.mark.parametrize(
    ("epochs", "numbers"),
    [
        (1, [1]),
        (10, list(range(1, 11))),
        (25, [1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 25]),
        (1000, [1, 2, 4, 8, 16, 32, 64, *range(100, 1001, 100)]),
    ],
)
def test_epochs_of_a_log_are_every_tenth_and_those_that_double(epochs, numbers, capsys):
    follow(epochs, 0.001)
    shown = [int(line.split()[1].split("/")[0]) for line in capsys.readouterr().err.splitlines()]
    assert shown == numbers


@pytest.mark.parametrize("hours", [0.1, 1, 24])
def test_a_slow_training_has_few_lines_and_soon_a_first(hours, capsys):
    follow(3, hours * 1200, calls=2000, steps=2000)
    lines = capsys.readouterr().err.splitlines()
    assert 15 < len(lines) < 60
    assert lines[0].startswith("step ")


def test_a_notebook_shows_it_in_one_place(monkeypatch, capsys):
    shown, places = [], []

    def display(content, raw, display_id):
        places.append(display_id)
        shown.append(content["text/plain"])
        return types.SimpleNamespace(update=lambda content, raw: shown.append(content["text/plain"]))

    kernel = types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(get_ipython=lambda: kernel, display=types.SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    follow(20, 0.01)
    assert places == [True]
    assert "step 100/2000: loss 0.5000" in shown[3]
    final = shown[-1].splitlines()
    assert [line.split(":")[0] for line in final] == [f"epoch {i}/20" for i in (1, *range(2, 21, 2))]
    assert capsys.readouterr().err == ""


def test_a_training_reports_its_epochs(capsys):
    pel.train((4,), pel.load_dataset("iris"), epochs=40)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 12
    assert lines[-1].startswith("epoch 40/40: loss ")
    assert "held out accuracy" in lines[-1]
