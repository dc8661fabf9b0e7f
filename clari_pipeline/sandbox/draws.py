"""A stateless pseudo-random generator: the number is a hash of the key, the same in every process and machine."""

from hashlib import blake2b


def draw(*key: object) -> int:
    """A number from 0 to 2^64 - 1 that depends on the key alone."""
    text = "\x1f".join(map(str, key))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def between(low: int, high: int, *key: object) -> int:
    """A number from low to high, both included."""
    return low + draw(*key) % (high - low + 1)
