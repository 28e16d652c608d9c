"""Rows that are read while they are trained on: each row once an epoch, in any windows, from any step."""

import threading
from dataclasses import replace

import jax
import numpy as np
import pytest

from pellucid import layers
from pellucid.core.errors import DataError
from pellucid.data import Part, Preprocessing
from pellucid.data.stream import EVERY, Source, Span, Stream, draws
from pellucid.functions.losses import losses
from pellucid.functions.metrics import metrics
from pellucid.network import Network
from pellucid.optimizers import Adam
from pellucid.runs.scaling import scaling_of
from pellucid.training import History, Recorder, Rows, Supervised, Training, feed, initial_state
from pellucid.training.feed import Feed


class Numbers(Source):
    """Rows that hold their own number, in blocks of given sizes, read some at a time; every seventh is not used."""

    name, location, block_bytes, fingerprint = "numbers", "memory", 1, "0"

    def __init__(self, block_rows, piece=5, unused=7):
        self.block_rows, self.piece, self.unused = np.array(block_rows), piece, unused
        self.opened = []

    def read(self, block, start=0):
        self.opened.append((block, start))
        for low in range(start, int(self.block_rows[block]), self.piece):
            number = self.block_starts[block] + np.arange(low, min(low + self.piece, self.block_rows[block]))
            x = np.stack([number, number % 3], axis=1).astype(np.float32)
            yield Part(x, x[:, :1] / 50)

    def used(self, block):
        return (
            (self.block_starts[block] + np.arange(self.block_rows[block])) % self.unused != 0 if self.unused else None
        )


TRAINED = Span(0.25, 1.0)


def rows_of(part):
    return Rows(jax.device_put(part.x), jax.device_put(part.y))


def feed_of(source, span=TRAINED, batch_size=8, **options):
    return Feed(Stream(source, 0.25, seed=3), span, batch_size, 1, rows_of, example=next(source.read(0)), **options)


def numbers_of_epoch(fed, epoch):
    """The numbers of the rows of an epoch in the order that a training takes them in."""
    numbers, step = [], epoch * fed.steps_per_epoch
    while step < (epoch + 1) * fed.steps_per_epoch:
        rows, end = fed.at(step)
        window = rows.window
        numbers += np.asarray(rows.x)[np.asarray(window.order)[: int(window.counted)], 0].astype(int).tolist()
        step = end
    return numbers


@pytest.fixture(params=[{}, {"OPEN_BYTES": 1}, {"PIECE": 3}, {"PIECE": 100}], ids=str)
def small(request, monkeypatch):
    for name, value in ({"WINDOW_BYTES": 400, "MOST_OPEN": 3, "PIECE": 7} | request.param).items():
        monkeypatch.setattr(feed, name, value)


BLOCKS = (40, 1, 0, 23, 64, 9)


class TestEpochs:
    @pytest.mark.usefixtures("small")
    @pytest.mark.parametrize("shuffle", [True, False])
    def test_each_row_of_the_span_comes_once_in_each_epoch(self, shuffle):
        fed = feed_of(Numbers(BLOCKS), shuffle=shuffle)
        every = np.arange(sum(BLOCKS))
        wanted = [n for n in every if n % 7 and draws(np.array([n]), 3)[0] >= 0.25]
        first, second = (numbers_of_epoch(fed, epoch) for epoch in (0, 1))
        fed.close()
        assert sorted(first) == sorted(second) == wanted
        assert fed.rows == len(wanted)
        assert (first == wanted) is not shuffle
        assert (first == second) is not shuffle

    @pytest.mark.usefixtures("small")
    def test_reading_begins_at_any_window_and_gives_the_same_rows(self):
        fed = feed_of(Numbers(BLOCKS))
        whole = numbers_of_epoch(fed, 1)
        for step in range(fed.steps_per_epoch, 2 * fed.steps_per_epoch):
            again = feed_of(Numbers(BLOCKS))
            rows, end = again.at(step)
            first = again.steps_of_window(step)[0] - fed.steps_per_epoch
            count = int(rows.window.counted)
            numbers = np.asarray(rows.x)[np.asarray(rows.window.order)[:count], 0].astype(int).tolist()
            again.close()
            assert numbers == whole[first * 8 : first * 8 + count]
            assert end > step
        fed.close()

    def test_what_comes_before_is_not_read_after_resuming(self, monkeypatch):
        monkeypatch.setattr(feed, "WINDOW_BYTES", 400)
        monkeypatch.setattr(feed, "MOST_OPEN", 1)
        source = Numbers([100] * 20)
        fed = feed_of(source)
        fed.at(fed.steps_per_epoch - 1)
        fed.close()
        assert 1 <= len(source.opened) - 1 <= 3  # beside the example

    def test_a_window_mixes_the_rows_of_several_blocks(self, monkeypatch):
        monkeypatch.setattr(feed, "WINDOW_BYTES", 12 * 600)
        monkeypatch.setattr(feed, "PIECE", 16)
        fed = feed_of(Numbers([300] * 12, unused=None), EVERY)
        rows, _ = fed.at(0)
        fed.close()
        numbers = np.asarray(rows.x)[np.asarray(rows.window.order), 0]
        blocks = (numbers // 300).astype(int)
        assert len(set(blocks)) == feed.MOST_OPEN
        # Neighbours in the order are of the same block as often as by chance.
        assert np.mean(blocks[1:] == blocks[:-1]) == pytest.approx(1 / 8, abs=0.05)

    def test_an_error_of_reading_is_raised_where_the_window_is_taken_and_no_thread_remains(self):
        class Broken(Numbers):
            def read(self, block, start=0):
                yield from super().read(block, start) if block == 0 else self._fail()

            def _fail(self):
                raise DataError("block 1 is damaged")
                yield

        fed = feed_of(Broken([30, 30]))
        with pytest.raises(DataError, match="block 1 is damaged"):
            fed.at(0)
        fed.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "pellucid-feed"]


class TestTraining:
    def training(self, rows, fed=None, seed=0):
        network = Network(layers.Dense(4, "tanh"), layers.Dense(1))
        program = Supervised(
            network,
            losses.build("mean_squared_error"),
            metrics.build("mean_absolute_error"),
            8,
            Recorder(6),
            fed is not None,
        )
        state = initial_state(network, Adam(0.01), None, (2,), seed, recorder=program.recorder)
        history = History.begin(program, rows.rows if fed is None else fed.rows)
        scaling = scaling_of(Preprocessing(0.0, 0.02))
        monitor = Rows(rows.x[:20], rows.y[:20])
        return Training(program, scaling, rows, monitor, Adam(0.01), state, history, feed=fed)

    @pytest.mark.usefixtures("small")
    def test_rows_that_are_read_train_as_the_same_rows_in_memory_do(self):
        fed = feed_of(Numbers(BLOCKS), shuffle=False)
        parts = list(fed.stream.read(fed.span))
        rows = Rows(
            *(jax.device_put(np.concatenate(arrays)) for arrays in zip(*((p.x, p.y) for p in parts), strict=True))
        )
        streamed, in_memory = self.training(Rows(rows.x[:9], rows.y[:9]), fed), self.training(rows)
        in_memory.program = replace(in_memory.program, shuffle=False)
        streamed.monitor = in_memory.monitor
        for training in (streamed, in_memory):
            for _ in training.run(3):
                pass
        fed.close()
        assert streamed.history.epochs_made == 3
        for one, other in zip(jax.tree.leaves(streamed.params), jax.tree.leaves(in_memory.params), strict=True):
            np.testing.assert_array_equal(one, other)
        for name, table in in_memory.history.tables.items():
            for column, values in table.items():
                np.testing.assert_array_equal(streamed.history.tables[name][column], values)
