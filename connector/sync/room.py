"""The room that rows have which wait for a commit, shared by the families that are synced side by side."""

from __future__ import annotations

COMMIT_ROWS = 25_000
COMMIT_BYTES = 30_000_000  # of JSON


class Room:
    """How much waits for a commit, by who is to commit it; safe to use from several threads at once."""

    def __init__(self) -> None:
        self._waiting: dict[object, tuple[int, int]] = {}

    def is_full(self, family: object, rows: int, size_bytes: int) -> bool:
        """Take note of what waits in a family now; say whether it should be committed, since all of it is too much.

        One that has less than its share need not: a small commit costs nearly as much as a large one.
        """
        self._waiting[family] = rows, size_bytes
        waiting = list(self._waiting.values())
        all_rows, all_bytes = sum(each for each, _ in waiting), sum(each for _, each in waiting)
        is_many = all_rows >= COMMIT_ROWS and rows * len(waiting) >= all_rows
        return is_many or (all_bytes >= COMMIT_BYTES and size_bytes * len(waiting) >= all_bytes)

    def leave(self, family: object) -> None:
        """Give back the room of a family that has come to its end."""
        self._waiting.pop(family, None)
