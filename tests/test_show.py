"""What is shown on a terminal: as narrow as it may be, no word and no number is broken."""

from __future__ import annotations

import time

import pytest

from connector.cli.show import show_actions, show_endpoint, show_endpoints, show_sync, table
from connector.definitions.actions import Actions
from connector.definitions.endpoint import Endpoints
from connector.sync.journal import Run

ENDPOINTS = Endpoints()
WIDTHS = pytest.mark.parametrize("width", [80, 120])


@WIDTHS
def test_a_table_of_columns_fits_and_breaks_no_name(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for name in ENDPOINTS:
        with subtests.test(name):
            show_endpoint(ENDPOINTS[name])
            lines = capsys.readouterr().out.splitlines()
            words = {line.split()[0] for line in lines if line.strip()}
            assert {column.name for column in ENDPOINTS[name].columns} <= words
            types = {column.type for column in ENDPOINTS[name].columns if not column.currency}  # the others are amounts
            assert types <= {word for line in lines for word in line.split()}
            assert max(len(line) for line in lines if " is " not in line) <= width


@WIDTHS
def test_the_list_of_tables_fits_and_breaks_no_word(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    show_endpoints(map(ENDPOINTS.__getitem__, ENDPOINTS))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    assert set(" ".join(ENDPOINTS[name].description for name in ENDPOINTS).split()) <= set(out.split())


@WIDTHS
@pytest.mark.parametrize("name", ["invoices", "payment_intents", "subscriptions"])
def test_what_an_action_does_stands_in_a_readable_line(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    actions = Actions()[name].values()
    show_actions(actions)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 2 + 2 * len(actions), "two lines each at most"


def test_a_column_says_where_it_comes_from_only_where_its_name_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    show_endpoint(ENDPOINTS["invoices"])
    out = capsys.readouterr().out
    assert "subscription is parent.subscription_details.subscription in Stripe." in out
    assert "customer is " not in out
    show_endpoint(ENDPOINTS["payment_link_lines"])
    assert "payment_link is the id of the object that the row was read for." in capsys.readouterr().out


def run(name: str) -> Run:
    return Run("r", name, "succeeded", time.time(), 3_600.5, 1_234_567, 1_234_567)


def test_the_table_of_a_sync_fits_80_columns_with_millions_of_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show_sync([run("balance_transactions"), run("customers")])
    out = capsys.readouterr().out
    assert out.count("1,234,567") == 4
    assert max(map(len, out.splitlines())) <= 80


def test_a_table_too_wide_for_the_terminal_is_printed_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    table(["name", "number"], [["a_name_that_is_long", "123,456,789"]], numbers=[1])
    assert "a_name_that_is_long  123,456,789" in capsys.readouterr().out
