"""Ids that look like Stripe's, stand in no order, and can be read back to the number they were made from."""

from __future__ import annotations

import string

from connector.sandbox.history.story.chance import Chance

_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
_MIRRORED = _PAIRS[::-1]
_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_BASE = len(_PAIRS)  # 3,844 pairs: one look-up writes two letters
_SQUARE, _SPACE = _BASE**2, _BASE**4
_CODE_LENGTH = 8


class Ids:
    """`ids(number)` writes head + 4 letters + middle + 8 letters; `ids.number(text)` reads it back.

    The eight letters are the number, scrambled; the four are taken from them and only look like more.
    """

    __slots__ = ("_factor", "_head", "_inverse", "_middle", "_shift")

    def __init__(self, seed: int, kind: str, head: str, middle: str = "") -> None:
        chance = Chance(seed, f"id of {kind}")
        factor = chance(0) % _SPACE | 1
        while factor % 31 == 0:  # 62 = 2 · 31: a multiple of neither can be undone
            factor += 2
        self._factor, self._shift = factor, chance(1) % _SPACE
        self._inverse = pow(factor, -1, _SPACE)
        self._head, self._middle = head, middle

    def __call__(self, number: int) -> str:
        """Write the id of a number."""
        high, low = divmod((number * self._factor + self._shift) % _SPACE, _SQUARE)
        first, second = divmod(high, _BASE)
        third, fourth = divmod(low, _BASE)
        return (
            f"{self._head}{_MIRRORED[fourth]}{_MIRRORED[second]}{self._middle}"
            f"{_PAIRS[first]}{_PAIRS[second]}{_PAIRS[third]}{_PAIRS[fourth]}"
        )

    def number(self, text: str) -> int | None:
        """The number that `text` was made from; None if it was not made here."""
        code = text[-_CODE_LENGTH:]
        pairs = [code[place : place + 2] for place in range(0, _CODE_LENGTH, 2)]
        if any(pair not in _VALUES for pair in pairs):
            return None
        mixed = 0
        for pair in pairs:
            mixed = mixed * _BASE + _VALUES[pair]
        number = (mixed - self._shift) * self._inverse % _SPACE
        return number if self(number) == text else None
