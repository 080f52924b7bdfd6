"""Draws that depend on seed, topic and number only, so that nothing has to be remembered."""

from __future__ import annotations

import hashlib

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


class Chance:
    """A die per topic: `chance(number)` is the same 64 bits on every machine, and costs half a microsecond."""

    __slots__ = ("_salt",)

    def __init__(self, seed: int, topic: str) -> None:
        self._salt = int.from_bytes(hashlib.blake2b(f"{seed}/{topic}".encode(), digest_size=8).digest(), "big")

    def __call__(self, number: int) -> int:
        """Draw for a number."""
        # splitmix64: random.Random would need 20 µs to be seeded anew for every object
        mixed = (self._salt + number * _GAMMA) & _MASK
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
        return mixed ^ (mixed >> 31)
