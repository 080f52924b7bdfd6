"""Ids that look like Stripe's, stand in no order, and can be read back to the number they were made from."""

from __future__ import annotations

import string

from connector.sandbox.story.chance import Chance

_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_BASE = len(_PAIRS)  # 3,844 pairs: one look-up writes two letters
_SQUARE, _CUBE, _SPACE = _BASE**2, _BASE**3, _BASE**6
_CODE_LENGTH = 12


class Ids:
    """`ids(number)` writes head + 4 letters + middle + 8 letters; `ids.number(text)` reads it back."""

    __slots__ = ("_cut", "_factor", "_head", "_inverse", "_middle", "_shift")

    def __init__(self, seed: int, kind: str, head: str, middle: str = "") -> None:
        chance = Chance(seed, f"id of {kind}")
        factor = chance(0) << 7 | 1  # odd, and below a multiple of neither prime of 62 = 2 · 31
        while factor % 31 == 0:
            factor += 2
        self._factor, self._shift = factor, chance(1)
        self._inverse = pow(factor, -1, _SPACE)
        self._head, self._middle = head, middle
        self._cut = len(head) + 4

    def __call__(self, number: int) -> str:
        high, low = divmod((number * self._factor + self._shift) % _SPACE, _CUBE)
        first, high = divmod(high, _SQUARE)
        fourth, low = divmod(low, _SQUARE)
        return (
            f"{self._head}{_PAIRS[first]}{_PAIRS[high // _BASE]}{self._middle}"
            f"{_PAIRS[high % _BASE]}{_PAIRS[fourth]}{_PAIRS[low // _BASE]}{_PAIRS[low % _BASE]}"
        )

    def number(self, text: str) -> int | None:
        """The number that `text` was made from; None if it was not made here."""
        code = text[len(self._head) : self._cut] + text[self._cut + len(self._middle) :]
        if len(code) != _CODE_LENGTH or any(letter not in _LETTERS for letter in code):
            return None
        mixed = 0
        for place in range(0, _CODE_LENGTH, 2):
            mixed = mixed * _BASE + _VALUES[code[place : place + 2]]
        number = (mixed - self._shift) * self._inverse % _SPACE
        return number if self(number) == text else None
