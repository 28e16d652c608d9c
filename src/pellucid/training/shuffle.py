"""A permutation of the rows, made inside the program without sorting.

Sorting random keys costs 25 to 35 ms for 60,000 rows on two cores, a tenth of an epoch of the reference
network; this Feistel network costs 1 ms (``python -m benchmarks shuffle``).
"""

import jax
import jax.numpy as jnp

from pellucid.core.types import Array, Int, Key

ROUNDS = 10
"""Fewer leave traces in very small tables: with 6 rounds, 8 rows fail a χ² test of their places, with 10 they pass."""


def permutation(key: Key[Array, ""], rows: int) -> Int[Array, " rows"]:
    """A pseudo-random permutation of 0 … rows − 1.

    Formula:
        Numbers of 2h bits, in halves (l, r); each of ten rounds takes (l, r) to (r, l ⊕ F(r, kᵢ)), which is
        one to one whatever F is. A result of ``rows`` or more goes round again until it falls below
        (cycle walking), which keeps the map one to one on 0 … rows − 1.

    Args:
        key: decides the permutation.
        rows: how many, from 1 to 2³⁰.

    Returns:
        The order in which to visit the rows, each once.

    Example:
        >>> order = permutation(jax.random.key(0), 1000)
        >>> sorted(order.tolist()) == list(range(1000))
        True

    Source: Luby, Rackoff, How to construct pseudorandom permutations from pseudorandom functions, 1988;
    Black, Rogaway, Ciphers with arbitrary finite domains, 2002 (cycle walking).
    """
    half = max(1, ((rows - 1).bit_length() + 1) // 2)
    mask = jnp.uint32((1 << half) - 1)
    keys = jax.random.bits(key, (ROUNDS,), jnp.uint32)

    def once(number: Array) -> Array:
        left, right = number >> half, number & mask
        for i in range(ROUNDS):
            left, right = right, left ^ (_mix(right ^ keys[i]) & mask)
        return (left << half) | right

    outside = jnp.uint32(rows)
    order = jax.lax.while_loop(
        lambda order: (order >= outside).any(),
        lambda order: jnp.where(order >= outside, once(order), order),
        once(jnp.arange(rows, dtype=jnp.uint32)),
    )
    return order.astype(jnp.int32)


def _mix(x: Array) -> Array:
    """Every bit of the result depends on every bit of ``x`` (multiply and shift, as in MurmurHash3's finaliser)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
