"""The limits of a server, and what it says to requests beyond them."""

from dataclasses import dataclass

from pellucid.core.constraints import NOT_NEGATIVE, WholeNumber, constrained, validate
from pellucid.core.display import Displayed

BODY_SECONDS = 30.0
"""Seconds in which the body of a request must have arrived."""
ANSWER_SECONDS = 60.0
"""Seconds after which a request that still waits for its predictions is given up."""
CONNECTIONS = 512
"""Most connections at a time; further ones are told to come again."""
EXPLANATIONS = 8
"""Most explanations that wait for one another: each takes a good part of a second."""


@dataclass(frozen=True)
class Limits(Displayed):
    """Limits of a server.

    Raises:
        InvalidValue: a number below 1, or a negative wait.
    """

    max_rows: int = constrained(10_000, WholeNumber(1), "most rows of a request")
    max_bytes: int = constrained(8 * 2**20, WholeNumber(1), "most bytes of the body of a request")
    batch_wait: float = constrained(
        0.0, NOT_NEGATIVE, "milliseconds that a request waits for others to be predicted with"
    )

    def __post_init__(self) -> None:
        validate(self)

    def check_rows(self, rows: int) -> None:
        """Refuse a request of too many rows.

        Raises:
            Refused: with status 413.
        """
        if rows > self.max_rows:
            text = f"a request holds at most {self.max_rows:,} rows. Received: {rows:,}. Send them in parts."
            raise Refused(413, text)


class Refused(Exception):
    """A request that is answered with a status of its own.

    Args:
        status: the HTTP status.
        text: what is wrong, and what to send instead.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
