"""Benchmarks: pellucid and its peers on the same work, in turn. Run as ``python -m benchmarks``."""
