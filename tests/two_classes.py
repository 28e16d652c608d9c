"""Examples of two classes that the tests of the perceptron and of its proofs share."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

TABLE = [[0, 0], [0, 1], [1, 0], [1, 1]]
XOR = [0, 1, 1, 0]


@st.composite
def whole_numbers(draw, rows=(2, 8), inputs=(1, 3)):
    """A small table of whole numbers with two classes; few shapes, since each is compiled."""
    shape = draw(st.sampled_from([(rows[0], inputs[0]), (5, 2), (rows[1], inputs[1])]))
    x = draw(arrays(np.int64, shape, elements=st.integers(-3, 3)))
    y = draw(arrays(np.int64, shape[0], elements=st.integers(0, 1)))
    assume(0 < y.sum() < len(y))
    return x, y
