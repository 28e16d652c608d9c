"""The history as data frames."""

import sys

import narwhals as nw
import numpy as np
import pytest

import pellucid as pel
from pellucid.core.errors import InvalidValue, UnknownName
from pellucid.training.history import TABLES


@pytest.fixture(scope="module")
def history():
    return pel.train(
        (4,), pel.load_dataset("iris"), epochs=3, record_every=2, histograms_every=4, progress=False
    ).history


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("table", TABLES)
def test_a_frame_has_the_columns_of_the_table(history, table, backend):
    frame = nw.from_native(history.to_frame(table, backend), eager_only=True)
    assert frame.implementation.value == backend
    columns = getattr(history, table)
    assert frame.columns == list(columns)
    for name, column in columns.items():
        found = frame[name].to_list()
        if name == "counts":
            assert [list(counts) for counts in found] == list(column)
        else:
            np.testing.assert_array_equal(np.array(found, column.dtype), column)


def test_what_is_no_table_and_what_is_not_installed_is_refused(history, monkeypatch):
    with pytest.raises(UnknownName, match=r"no table 'epoch'\. Did you mean 'epochs'"):
        history.to_frame("epoch")
    with pytest.raises(InvalidValue, match="backend must be one of pandas, polars, pyarrow"):
        history.to_frame(backend="numpy")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(InvalidValue, match=r"polars is not installed: pip install polars, or take backend='pyarrow'"):
        history.to_frame(backend="polars")
