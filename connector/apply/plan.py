"""What a write would send: counted, with what changes, what moves money, and how long it takes. A plan only reads."""

from __future__ import annotations

import contextlib
import os
import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from connector.api.calls import Call
from connector.api.limits import ENDPOINT_RPS, PACE, account_rps
from connector.apply.effects import DONE_BEFORE, UNCHANGED, Amounts, Change, Effect, Outcome, RowError
from connector.apply.gates import explained, flags
from connector.apply.ledger import DONE, Entry, Ledger
from connector.config import Connection
from connector.definitions.actions import NEEDS, Actions
from connector.errors import DataError, TargetError
from connector.words import count_of

_SHOWN_ERRORS = 20
SHOWN_CHANGES = 5
_VERSION = 1
_LONGEST_VALUE = 40


@dataclass
class Plan:
    """What is sent where nothing changes meanwhile; `settled` are rows that are unchanged, or were done before."""

    name: str
    source: str
    account: str
    livemode: bool
    effects: list[Effect] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    settled: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0
    ledger: str = ""
    reads: int = 0
    is_again: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def needs(self) -> list[str]:
        """What --allow must name before it is sent."""
        wanted = {word for effect in self.effects for word in effect.needs}
        return [word for word in NEEDS if word in wanted]

    @property
    def unchanged(self) -> int:
        """How many rows the live objects show already."""
        return sum(outcome.status == UNCHANGED for outcome in self.settled)

    @property
    def done(self) -> int:
        """How many rows the ledger knows as done."""
        return sum(outcome.status == DONE_BEFORE for outcome in self.settled)

    @property
    def rows(self) -> int:
        """How many rows the source has."""
        return len(self.effects) + len(self.settled) + len(self.errors)

    def flags(self, key_livemode: bool | None) -> list[str]:
        """Return what has to be asked for before it is sent, as flags of the command line."""
        return flags(self.needs, key_livemode)

    def leave_out_what_is_done(self, ledger: Ledger) -> None:
        """Leave out what the ledger knows as done; a row that the live object decides is never done for good."""
        if self.is_again:
            return
        done: dict[str, Entry] = {}
        for scope in {effect.scope for effect in self.effects}:
            ours = [effect.identity for effect in self.effects if effect.scope == scope and not effect.by_object]
            done |= {name: entry for name, entry in ledger.entries(scope, ours).items() if entry.status == DONE}
        for effect in (effect for effect in self.effects if effect.identity in done):
            object_id = done[effect.identity].object_id
            self.settled.append(Outcome(effect.place, effect.label, DONE_BEFORE, object_id))
        self.effects = [effect for effect in self.effects if effect.identity not in done]

    def estimate(self, connection: Connection) -> None:
        """Note how long it takes to send it."""
        account = account_rps(connection)
        self.seconds = len(self.effects) / (min(account, connection.max_rps_per_endpoint or ENDPOINT_RPS) * PACE)

    def lines(self, *, missing: Sequence[str] = ()) -> list[str]:
        """Return the plan as a person checks it; `missing` are the flags that would send it."""
        mode = "live" if self.livemode else "test"
        counts = {
            "to send": len(self.effects),
            "unchanged": self.unchanged,
            "done before": self.done,
            "in error": len(self.errors),
        }
        lines = [f"{self.name}: {count_of(self.rows, 'row')} of {self.source} → {self.account}, {mode} mode"]
        lines += [f"  {word:<12} {count:>9,}" for word, count in counts.items()]
        lines += _some([f"  {error}" for error in self.errors], _SHOWN_ERRORS, "in error")
        lines += [f"  {_change(change)}" for change in self.changes[:SHOWN_CHANGES]]
        lines += [*self._about(), *self.notes, f"ledger: {self.ledger}"]
        if missing and self.effects:
            lines.append(f"Not sent. What sends it: {' '.join(missing)}{explained(missing)}")
        return lines

    def _about(self) -> Iterator[str]:
        """Yield how long it takes, and what of it moves money, destroys or lets somebody in."""
        if self.effects:
            yield f"{count_of(len(self.effects), 'call')}, about {_duration(self.seconds)}"
        amounts, deleting, opening = Amounts(), 0, 0
        for effect in self.effects:
            deleting += "delete" in effect.needs
            opening += "access" in effect.needs
            if "money" in effect.needs:
                amounts.add(effect.call.form or {})
        if amounts.rows:
            sums = ", ".join(f"{amount:,} {currency}" for currency, amount in sorted(amounts.by_currency.items()))
            yield f"money: {count_of(amounts.rows, 'row')} may move money{f', in minor units {sums}' if sums else ''}"
        if deleting:
            yield f"delete: {count_of(deleting, 'row')} to destroy something"
        if opening:
            yield f"access: {count_of(opening, 'row')} to let somebody in"

    # Files

    def save(self, path: str | Path) -> None:
        """Write what is to be sent to a file that its owner alone may read."""
        header = {
            "plan": _VERSION, "id": self.id, "name": self.name, "source": self.source, "account": self.account,
            "livemode": self.livemode, "seconds": self.seconds, "again": self.is_again,
        }  # fmt: skip
        lines = [msgspec.json.encode(header), *(msgspec.json.encode(_written(effect)) for effect in self.effects)]
        with private_files(), _writing(path):
            Path(path).unlink(missing_ok=True)
            Path(path).write_bytes(b"\n".join(lines) + b"\n")

    @classmethod
    def load(cls, path: str | Path, actions: Actions) -> Plan:
        """Read a plan from a file; a DataError where it is none."""
        try:
            header, *rows = [msgspec.json.decode(line) for line in Path(path).read_bytes().splitlines()]
            if header["plan"] != _VERSION:
                raise KeyError
            plan = cls(header["name"], header["source"], header["account"], header["livemode"])
            plan.id, plan.seconds, plan.is_again = header["id"], header["seconds"], header["again"]
            plan.effects = [_read(row, actions) for row in rows]
        except OSError as error:
            raise DataError(f"The plan {path} cannot be read: {error.strerror or error}.") from None
        except (msgspec.DecodeError, ValueError, KeyError, TypeError):
            raise DataError(f"{path} is no plan of ours: `connector write … --plan-file` makes one.") from None
        return plan


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """Let files that are made meanwhile be read by their owner alone, where the system knows owners."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def _writing(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(f"{path} could not be written: {error.strerror or error}.") from None


def _written(effect: Effect) -> dict[str, Any]:
    call = asdict(effect.call)
    call["form"] = _as_sent(effect.call.form)
    call["content"] = effect.call.content and b64encode(effect.call.content).decode()
    names = ("place", "label", "scope", "identity", "object_id", "order_by", "by_object", "needs")
    action = effect.action and [effect.action.of, effect.action.name]
    return {name: getattr(effect, name) for name in names} | {"call": call, "action": action}


def _as_sent(value: Any) -> Any:
    """Return a form whose decimals are written as they are sent: JSON would write some with an exponent."""
    if isinstance(value, Mapping):
        return {key: _as_sent(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_sent(item) for item in value]
    return format(value, "f") if isinstance(value, Decimal) else value


def _read(row: dict[str, Any], actions: Actions) -> Effect:
    call = row.pop("call")
    call["content"] = call["content"] and b64decode(call["content"])
    action = row.pop("action")
    row["needs"] = tuple(row["needs"])
    return Effect(**row, call=Call(**call), action=actions.find(*action) if action else None)


def _some(lines: list[str], most: int, what: str) -> list[str]:
    more = len(lines) - most
    return [*lines[:most], f"  … and {more:,} more {what}"] if more > 0 else lines


def _change(change: Change) -> str:
    return f"{change.object_id}  {change.field}: {_shown(change.before)} → {_shown(change.after)}"


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode() if not isinstance(value, str) else f'"{value}"'
    text = "".join(character if character.isprintable() else "�" for character in text)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"  # noqa: PLR2004 - two minutes
