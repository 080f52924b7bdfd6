"""What a write may be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connector.errors import UsageError, did_you_mean

NULLS = ("omit", "clear")
UPSERT = "upsert"


@dataclass(frozen=True)
class Writing:
    """How rows become what is sent.

    `mapping` gives the source's column for a parameter, `constants` the same value for every row, `columns` are those
    of the source to send (None: all). `match` finds the object: its parameter, and the column with the value. `null`
    says what an empty cell means. `row_key` is the column that a row is known by, `idempotency_key` the column with
    keys of the source's own. `again` sends what was done before once more.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, object] = field(default_factory=dict)
    columns: Sequence[str] | None = None
    match: Mapping[str, str] = field(default_factory=dict)
    null: str = "omit"
    row_key: str | None = None
    idempotency_key: str | None = None
    again: bool = False

    def check(self) -> None:
        """Raise a UsageError for what cannot be done, whatever the source and the action are."""
        if self.null not in NULLS:
            raise UsageError(f'--null takes {" or ".join(NULLS)}, not "{self.null}".{did_you_mean(self.null, NULLS)}')
        if len(self.match) > 1:
            raise UsageError("--match takes one parameter and its column, as in --match email=mail.")
