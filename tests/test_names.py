"""Names of columns and tables: the same in every target, never cut to the same by accident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.definitions.names import column_name, shorten, unique, valid_table_name
from connector.errors import DefinitionError

# Paths as deep as those of payment methods: alike for longer than any limit, different at the end.
PARTS = ("payment_method_options", "card", "installments", "plan", "interval", "acss_debit", "mandate", "verification")
deep_paths = st.lists(st.sampled_from(PARTS), min_size=1, max_size=12).map(".".join)
any_names = st.text(min_size=1, max_size=200)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("id", "id"),
        ("address.city", "address_city"),
        ("a.b_c.d", "a_b_c_d"),
        ("Größe.cm", "Größe_cm"),
        ("order", "order"),
    ],
)
def test_a_path_becomes_a_column_by_its_dots_alone(path: str, name: str) -> None:
    assert column_name(path) == name


@given(any_names, st.integers(10, 128))
def test_no_name_is_over_the_limit(name: str, limit: int) -> None:
    assert len(shorten(name, limit).encode()) <= limit
    assert len(shorten(name).encode()) <= 63


@given(any_names)
def test_a_name_within_the_limit_stays_and_shortening_twice_changes_nothing(name: str) -> None:
    assert shorten(name, len(name.encode())) == name
    assert shorten(shorten(name)) == shorten(name)


@given(any_names, st.integers(10, 128))
def test_a_cut_falls_between_characters_and_wastes_no_room(name: str, limit: int) -> None:
    short = shorten(name, limit)
    if short != name:
        assert name.startswith(short[:-9])
        assert len(short.encode()) > limit - 4


def test_a_shortened_name_is_the_same_in_every_release() -> None:
    assert shorten("payment_method_options_" * 4) == "payment_method_options_payment_method_options_payment__e6e90dbe"
    assert shorten("é" * 40) == "é" * 27 + "_84fe2e03"
    assert shorten("x" * 63) == "x" * 63


@given(st.sets(deep_paths, max_size=40))
def test_different_deep_paths_have_different_columns(paths: set[str]) -> None:
    names = {path: shorten(column_name(path)) for path in paths}
    assert len(set(names.values())) == len(paths)
    assert unique(names) == list(names.values())


@given(any_names, st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_long_names_with_one_beginning_stay_apart(start: str, one: str, other: str) -> None:
    long = start * 64
    assert (shorten(long + one) == shorten(long + other)) == (one == other)


@pytest.mark.parametrize(
    ("columns", "first", "second"),
    [
        ({"a.b": "a_b", "c": "c", "a_b": "a_b"}, "a.b", "a_b"),
        ({"Name": "Name", "name": "name"}, "Name", "name"),
        ({"straße": "straße", "STRASSE": "STRASSE"}, "straße", "STRASSE"),
    ],
)
def test_two_paths_with_one_column_are_both_named(columns: dict[str, str], first: str, second: str) -> None:
    with pytest.raises(DefinitionError, match=f'"{first}" and "{second}"'):
        unique(columns)


def test_names_that_differ_are_given_back_in_their_order() -> None:
    assert unique({"b": "b", "address.city": "city", "a": "a"}) == ["b", "city", "a"]


@pytest.mark.parametrize("name", ["customers", "invoice_lines", "t2", "x" * 63])
def test_plain_names_can_be_tables(name: str) -> None:
    assert valid_table_name(name)


@pytest.mark.parametrize(
    "name", ["", "Customers", "2nd", "_own", "a-b", "a.b", "a b", "größe", "a\n", 'a"b', "../x", "x" * 64]
)
def test_names_that_need_quotes_or_hide_a_path_cannot_be_tables(name: str) -> None:
    assert not valid_table_name(name)
