"""Charts: labels fit, ticks are round and alike, series differ without colour, and nothing breaks them."""

import re
import zlib
from base64 import b64decode

import numpy as np
import pytest

from pellucid.report.axis import Axis
from pellucid.report.chart import (
    BarChart,
    DotChart,
    HeatMap,
    Histogram,
    ImageGrid,
    LineChart,
    Plane,
    ScatterChart,
    Series,
    Strip,
    StripChart,
    contour,
)
from pellucid.report.drawing import Label, svg, svg_file, text_width
from pellucid.report.network import BlockChart, NetworkChart
from pellucid.report.parallel import ParallelChart, Upright
from pellucid.report.picture import png
from pellucid.report.print_figure import to_matplotlib

X = np.arange(6.0)
LARGE = Series("of a rather long name", X * 1e5 - 2e5, X * 1e5 - 3e5)
NAMES = ["sepal length", "sepal width"]
CHARTS = {
    "lines": LineChart("loss", [LARGE, Series("held out", X, X)], "epoch", whole=True),
    "scatter": ScatterChart("points", [LARGE], "true price in dollars", "predicted", diagonal=True, equal=True),
    "histogram": Histogram("residuals", np.linspace(-1e6, 1e6, 7), np.arange(6), "predicted − true", marker=0.0),
    "bars": BarChart("contributions", NAMES, [1.5, -0.25], "w·x"),
    "dots": DotChart("norms", NAMES, {"step 0": [1, 0.1], "step 9": [2, 0.2]}, "‖∂L/∂W‖", log=True),
    "strips": StripChart("seeds", [Strip("a setting of a long name, as they have", X, (1, 2))], "difference"),
    "heat map": HeatMap("confusion matrix", [[3, 1], [0, 4]], NAMES, NAMES, "predicted", "true class"),
    "signed": HeatMap(
        "weights", [[0.3, -0.1], [0.02, 4e-7]], NAMES, ["unit 0", "unit 1"], "unit", "input", signed=True
    ),
    "images": ImageGrid("digits", np.random.default_rng(0).random((5, 8, 8)), ["three"] * 5),
    "plane": Plane("boundary", np.eye(2)[np.eye(9, dtype=int)], (-1.0, 1.0), (0.0, 1e5), [LARGE], "x1", "x2"),
    "landscape": Plane("height", np.add.outer(X, X), (-1.0, 1.0), (-1.0, 1.0), [LARGE], "w1", "w2"),
    "indices": Plane("boundary", np.eye(9, dtype=int), (-1.0, 1.0), (-1.0, 1.0), [LARGE], "x1", "x2", classes="ab"),
    "classes": Plane("boundary", np.eye(3)[np.eye(9, dtype=int)], (-1.0, 1.0), (-1.0, 1.0), [LARGE], "x1", "x2"),
    "parallel": ParallelChart(
        "trials",
        [
            Upright("learning_rate", 10.0**-X, log=True),
            Upright("a setting of a long name", [0, 1, 1, 0, 1, 0], NAMES),
            Upright("mean squared error", X * 1e7),
        ],
        [2, 0],
        "in colour: the best 2, the best of them bold",
    ),
    "network": NetworkChart("network", [np.eye(2), [[1.0], [-0.5]]], [None, [0, 1], [2]], NAMES, ["virginica"]),
    "blocks": BlockChart("layers", [["conv2d", "8×8×4", "40 parameters"]] * 5),
}


@pytest.mark.parametrize("kind", CHARTS)
@pytest.mark.parametrize("width", [370, 500, 1024])
def test_no_label_is_cut(kind, width):
    drawing = CHARTS[kind].draw(width)
    for label in (mark for mark in drawing.marks if isinstance(mark, Label)):
        wide = text_width(label.text, label.size, label.bold)
        left = label.x - {"start": 0, "middle": wide / 2, "end": wide}[label.anchor]
        assert left >= -1, label
        assert left + wide <= width + 1, label
        assert 0 < label.y <= drawing.height, label
    assert 'aria-label=""' not in svg(drawing)
    assert svg_file(drawing).startswith("<svg xmlns=")


def test_all_ticks_of_an_axis_are_written_alike():
    for axis in (Axis(-1e5, 2e5), Axis(0, 1), Axis(-3e-5, 1e-5), Axis(0, 3e7), Axis(1e-9, 1e3, log=True)):
        texts, _ = axis.labels(6)
        assert len({len(text.partition(".")[2]) for text in texts}) == 1, texts
        assert not axis.log or all(re.fullmatch("10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", text) for text in texts), texts
    assert Axis(-1e5, 1e5).labels(2)[0] == ["−100,000", "0", "100,000"]


def test_epochs_have_whole_ticks():
    assert all(tick == round(tick) for tick in Axis(1, 3, whole=True).ticks(8))
    labels = [mark.text for mark in CHARTS["lines"].draw(400).marks if isinstance(mark, Label)]
    assert not any(re.fullmatch(r"\d+\.\d+", label) for label in labels)


def test_an_axis_of_epochs_holds_both_ends():
    axis = Axis.of([1, 300], whole=True)
    assert (axis.low, axis.high) == (0, 300)
    assert Axis.of([0.1, 2.99], whole=True).ticks()[-1] == 3
    x = np.arange(1, 1001)
    labels = [
        mark.text
        for mark in LineChart("loss", [Series("training", x, 1 / x)], "epoch").draw(500).marks
        if isinstance(mark, Label)
    ]
    assert "1,000" in labels


def test_small_numbers_in_neurons_are_not_written_as_0():
    neurons = ([0.0, 1.0], [-0.00039])
    chart = NetworkChart("small", [np.ones((2, 1))], neurons)
    texts = [mark.text for mark in chart.draw(500).marks if isinstance(mark, Label)]
    assert "−4e−4" in texts


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.7), (1e-6, 3e4), (3, 4e5)])
@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_round_and_within(log, low, high):
    ticks = Axis(low, high, log).ticks()
    assert 2 <= len(ticks) <= 12
    slack = 1e-9 * (high - low)
    assert low - slack <= min(ticks) <= max(ticks) <= high + slack


def test_a_line_is_thinned_to_the_mean_and_the_range_of_neighbours():
    y = np.sin(np.arange(1000.0))
    thin = Series("", np.arange(1000), y).thinned(10)
    np.testing.assert_allclose(thin.y, y.reshape(10, 100).mean(axis=1))
    np.testing.assert_allclose(thin.low, y.reshape(10, 100).min(axis=1))
    np.testing.assert_allclose(thin.high, y.reshape(10, 100).max(axis=1))


def test_charts_survive_what_trainings_leave():
    for y in ([np.nan] * 6, [1, np.inf, -np.inf, np.nan, 0, 2], [0] * 6, [1e-30, 1e30, 1, 1, 1, 1], [-3] * 6):
        series = [Series("a", X, np.array(y, float)), Series("b", X, X)]
        for log in (None, True, False):
            chart = svg(LineChart("t", series, "x", log=log).draw(400))
            assert not re.search(r"nan|inf", chart), chart
    one = Series("", np.array([1.0]), np.array([1.0]))
    for chart in (
        LineChart("t", [one], "x"),
        LineChart("t", [Series("", X, X * np.nan)], "x"),
        ScatterChart("t", [one], "x", "y", diagonal=True, equal=True),
        Histogram("t", np.array([0.0, 1.0]), np.array([0]), "x"),
        BarChart("t", ["a", "b"], [np.nan, 0.0], "x"),
        DotChart("t", ["a"], {"": np.array([np.nan])}, "x", log=True),
        StripChart("t", [Strip("a", [np.nan], (np.nan, np.nan))], "x"),
        HeatMap("t", [[np.nan]], ["a"], ["b"]),
        ParallelChart("t", [Upright("a", [1.0]), Upright("b", [0], ["x"])], [0]),
        ParallelChart("t", [Upright("a", [np.nan, np.nan])]),
    ):
        assert not re.search(r"nan|inf", svg(chart.draw(400))), chart


def test_matplotlib_draws_every_chart(tmp_path):
    figure = to_matplotlib(*CHARTS.values(), columns=3)
    assert len(figure.axes) == len(CHARTS)
    assert all(chart.title in axes.get_label() for axes, chart in zip(figure.axes, CHARTS.values(), strict=True))
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"confusion matrix", "sepal width", "epoch", "virginica"} <= texts
    figure.savefig(tmp_path / "charts.png", dpi=40)


def test_a_line_in_a_terminal_has_the_ends_of_its_axes():
    drawn = LineChart("tanh", [Series("", np.linspace(-3, 3, 50), np.tanh(np.linspace(-3, 3, 50)))], "z").braille()
    for words in ("tanh", "0.995", "−0.995", "−3", "z"):
        assert words in drawn


def test_a_contour_lies_where_the_numbers_are_0():
    x, y = np.linspace(-1, 1, 21), np.linspace(1, -1, 25)
    across, up = contour(np.add.outer(y**2, x**2) - 0.5, x, y)
    radius = np.hypot(across, up)
    np.testing.assert_allclose(radius[np.isfinite(radius)], np.sqrt(0.5), rtol=0.01)
    assert np.isfinite(radius).sum() > 40


def test_png_holds_the_pixels():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    content = b64decode(png(pixels).removeprefix("data:image/png;base64,"))
    assert content[16:24] == bytes([0, 0, 0, 4, 0, 0, 0, 2])
    start = content.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompressobj().decompress(content[start:]), np.uint8).reshape(2, 13)
    np.testing.assert_array_equal(rows[:, 1:].reshape(2, 4, 3), pixels)
