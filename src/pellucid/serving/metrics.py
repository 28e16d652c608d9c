"""Metrics of a server, in the text format that Prometheus reads."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

TEXT = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Histogram:
    """Counts of values up to each bound, their sum and their number."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def lines(self, name: str, label: str = "") -> list[str]:
        """Its lines, the counts cumulative."""
        lines, total = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            lines.append(f'{name}_bucket{{{label}{"," * bool(label)}le="{bound}"}} {total}')
        own = f"{{{label}}}" if label else ""
        return [*lines, f"{name}_sum{own} {self.sum:.9g}", f"{name}_count{own} {total}"]


class Metrics:
    """What a server counts: requests by path and status, their seconds, rows, and the rows of forward passes.

    Args:
        paths: those that are counted by name.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds = {path: Histogram(SECONDS) for path in (*paths, "other")}
        self.batches = Histogram(ROWS)
        self.rows = 0

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        path = path if path in self.seconds else "other"
        self.requests[path, status] += 1
        self.seconds[path].add(seconds)

    def text(self) -> str:
        """All of them, with what each is."""
        lines = _head("pellucid_requests_total", "counter", "Requests answered.")
        lines += [
            f'pellucid_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self.requests.items())
        ]
        lines += [*_head("pellucid_rows_total", "counter", "Rows predicted."), f"pellucid_rows_total {self.rows}"]
        lines += _head(
            "pellucid_request_seconds", "histogram", "Seconds from a request's head to the end of its answer."
        )
        for path, histogram in self.seconds.items():
            if any(histogram.counts):
                lines += histogram.lines("pellucid_request_seconds", f'path="{path}"')
        lines += _head("pellucid_batch_rows", "histogram", "Rows of each forward pass.")
        return "\n".join([*lines, *self.batches.lines("pellucid_batch_rows"), ""])


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
