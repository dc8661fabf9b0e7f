"""Chance without memory: the same key always draws the same number, in every process and on every machine."""

from hashlib import blake2b


def draw(*key: object) -> int:
    """A number from 0 to 2^64 - 1 that depends on the key alone."""
    text = "\x1f".join(map(str, key))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def between(low: int, high: int, *key: object) -> int:
    """A number from low to high, both included."""
    return low + draw(*key) % (high - low + 1)
