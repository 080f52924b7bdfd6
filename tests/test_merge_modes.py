"""The modes of a load, in all databases: what each does to new, known, changed, doubled and keyless rows."""

from __future__ import annotations

import pytest

from connector.databases.base import Counts, Database, DoubledKeys, MergeOptions, Session
from tests.databases import database
from tests.merging import COLUMNS, PLAIN, load, stored, table_of, thing, things, values

__all__ = ["database"]

A1, A2, B1, C1 = thing("a", "1"), thing("a", "2"), thing("b", "1"), thing("c", "1")


@pytest.mark.parametrize(
    ("mode", "expected", "left"),
    [
        ("upsert", Counts(inserted=1, updated=1, unchanged=1), {"a": "2", "b": "1", "c": "1", "d": "1"}),
        ("insert", Counts(inserted=1, skipped=2), {"a": "1", "b": "1", "c": "1", "d": "1"}),
        ("update", Counts(updated=1, unchanged=1, skipped=1), {"a": "2", "b": "1", "d": "1"}),
        ("delete", Counts(deleted=2, skipped=1), {"d": "1"}),
        ("mirror", Counts(inserted=1, updated=1, unchanged=1, deleted=1), {"a": "2", "b": "1", "c": "1"}),
        ("replace", Counts(inserted=3, deleted=3), {"a": "2", "b": "1", "c": "1"}),
    ],
)
def test_each_mode_does_what_it_is_called(
    mode: str, expected: Counts, left: dict[str, str], database: Database
) -> None:
    load(database, "upsert", A1, B1, thing("d", "1"))
    assert load(database, mode, A2, B1, C1) == expected
    assert values(database) == left


@pytest.mark.parametrize("mode", ["upsert", "insert", "update", "delete", "mirror", "replace", "append"])
def test_each_mode_on_an_empty_table(mode: str, database: Database) -> None:
    nothing = {"update": Counts(skipped=2), "delete": Counts(skipped=2)}
    assert load(database, mode, A1, B1) == nothing.get(mode, Counts(inserted=2))
    assert values(database) == ({} if mode in nothing else {"a": "1", "b": "1"})


def test_append_adds_rows_whatever_is_there(database: Database) -> None:
    assert load(database, "append", A1, A1) == Counts(inserted=2)
    assert load(database, "append", A2, thing(None, None)) == Counts(inserted=2)
    assert sorted(stored(database, "value"), key=str) == [("1",), ("1",), ("2",), (None,)]


@pytest.mark.parametrize("mode", ["upsert", "insert", "update", "delete", "mirror"])
def test_rows_without_a_whole_key_are_rejected_and_counted(mode: str, database: Database) -> None:
    load(database, "upsert", A1, B1)
    rows = [thing(None, "x"), A1, {**B1, "account": None}, B1]
    assert load(database, mode, *rows).rejected == 2
    assert values(database) == ({} if mode == "delete" else {"a": "1", "b": "1"})


@pytest.mark.parametrize("mode", ["upsert", "insert", "mirror"])
def test_of_rows_with_one_key_the_last_stays_or_all_are_refused(mode: str, database: Database) -> None:
    rows = [A1, B1, C1, A2, thing("c", "2"), thing("c", "3")]
    with pytest.raises(DoubledKeys, match="3 rows with a key that another row has") as caught:
        load(database, mode, *rows, doubles="error")
    assert (caught.value.places, caught.value.count) == ([0, 2, 4], 3)
    assert load(database, mode, *rows) == Counts(inserted=3, duplicates=3)
    assert values(database) == {"a": "2", "b": "1", "c": "3"}


def test_a_mirror_deletes_only_within_its_scope(database: Database) -> None:
    other = thing("x", "1", account="acct_2")
    load(database, "upsert", A1, B1, other)
    assert load(database, "mirror", B1, scope={"account": "acct_1"}) == Counts(unchanged=1, deleted=1)
    assert load(database, "mirror", B1, scope={"account": "acct_1", "value": "?"}) == Counts(unchanged=1)
    assert values(database) == {"b": "1", "x": "1"}


def test_rows_that_do_not_fit_leave_everything_as_it_was(database: Database) -> None:
    load(database, "upsert", A1, B1)

    def work(session: Session) -> None:
        staged = session.stage(things(database), [table_of([C1], COLUMNS)], list(COLUMNS))
        session.merge(things(database), staged, PLAIN, MergeOptions("mirror"))
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        database.repeated(work)
    assert values(database) == {"a": "1", "b": "1"}
