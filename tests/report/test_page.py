"""The skeleton of a page: text is escaped, nothing is fetched, charts hold what they are given."""

import re
import zlib
from base64 import b64decode

import numpy as np
import pytest

from pellucid.report.old_chart import Axis, Series, bar_chart, dot_chart, line_chart, scatter_chart
from pellucid.report.page import Html, anchor, code, contents, element, page, paragraph, section, table
from pellucid.report.picture import montage, png

NASTY = "<script>alert('&')</script>"


def test_text_is_escaped_wherever_it_enters():
    content = section(NASTY, paragraph(NASTY), table((NASTY,), [(NASTY,)], NASTY), code(NASTY))
    text = page(NASTY, contents([NASTY]), content, element("a", NASTY, href=f'"{NASTY}'))
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 11  # title, heading, link, section, and what stands below
    assert str(Html("<b>")) in element("p", Html("<b>"))


def test_a_link_leads_to_its_heading():
    title = "Weights, layer by layer"
    assert f'href="#{anchor(title)}"' in contents([title])
    assert f'id="{anchor(title)}"' in section(title)


def test_png_holds_the_pixels():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    content = b64decode(png(pixels).removeprefix("data:image/png;base64,"))
    assert content[16:24] == bytes([0, 0, 0, 4, 0, 0, 0, 2])
    start = content.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompressobj().decompress(content[start:]), np.uint8).reshape(2, 13)
    np.testing.assert_array_equal(rows[:, 1:].reshape(2, 4, 3), pixels)
    assert montage(np.zeros((5, 2, 2), np.uint8)) == montage(np.zeros((5, 2, 2), np.uint8))


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0.5, 0.7), (1e-6, 3e4), (3, 4e5)])
def test_ticks_are_round_and_within(log, low, high):
    ticks = Axis(low, high, 0, 100, log).ticks
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
    x = np.arange(6.0)
    for y in ([np.nan] * 6, [1, np.inf, -np.inf, np.nan, 0, 2], [0] * 6, [1e-30, 1e30, 1, 1, 1, 1], [-3] * 6):
        series = [Series("a", x, np.array(y, float)), Series("b", x, x)]
        for log in (None, True, False):
            chart = line_chart("t", series, x_label="x", log=log)
            assert not re.search(r"nan|inf", chart), chart
    one = Series("", np.array([1.0]), np.array([1.0]))
    for chart in (
        line_chart("t", [one], x_label="x"),
        scatter_chart("t", [one], x_label="x", diagonal=True, equal=True),
        bar_chart("t", np.array([0.0, 1.0]), np.array([0]), x_label="x"),
        dot_chart("t", ["a"], [Series("", np.array([np.nan]), np.zeros(1))], x_label="x", log=True),
    ):
        assert not re.search(r"nan|inf", chart), chart
