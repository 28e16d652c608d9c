"""Symbolic dimensions, which are no whole numbers, are outside what the annotations of the layers say."""

import jaxtyping
import pytest


@pytest.fixture(autouse=True)
def symbolic_dimensions():
    """Annotated shapes are not checked while networks are traced for a free number of rows and steps."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
