"""What is printed shows no secret, wherever somebody has put one, and stays readable where there is none."""

from __future__ import annotations

import pytest

from connector.errors import ConnectorError, ConnectorWarning, StripeError, UsageError
from connector.masking import masked

SECRETS = {
    "sk_test_51HqExAmPlE": "sk_test_…",
    "GET /v1/customers/rk_live_abc123/x": "GET /v1/customers/rk_live_…/x",
    "sk_org_live_abc": "sk_org_live_…",
    "whsec_abc123.": "whsec_….",
    "postgresql://u:pw@h/db is down": "postgresql://u:…@h/db is down",
    "postgresql:/u:pw@h/db": "postgresql:/u:…@h/db",
    "'u:pw@h/db'": "'u:…@h/db'",
    "u:p@ss/w:rd@h": "u:…@h",
    "host=h password=pw user=u": "host=h password=… user=u",
    "Server=h;PWD=pw;UID=u": "Server=h;PWD=…;UID=u",
    "password='two words' x": "password=… x",
    "mssql://h/db?password=pw&x=1": "mssql://h/db?password=…&x=1",
    "Authorization: Basic abc123": "Authorization: Basic …",
}
HARMLESS = [
    "write postgresql://user:password@host:5432/database",
    "postgresql://u:${PGPASSWORD}@h/db",
    "http://127.0.0.1:12111/v1/customers",
    "The value of email is wrong: jane@example.com",
    "look at user, password and database",
    "12:30:00 and C:\\files\\x.csv",
    "task_test and risk_level_x",
    "invoices.csv: 3 rows",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_not_shown(text: str) -> None:
    assert masked(text) == SECRETS[text]
    assert masked(SECRETS[text]) == SECRETS[text]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_is_shown_as_it_is(text: str) -> None:
    assert masked(text) == text


def test_no_error_shows_a_secret() -> None:
    assert str(UsageError("postgresql://u:pw@h")) == "postgresql://u:…@h"
    assert str(StripeError("No such customer: sk_live_abc", status=404)) == "No such customer: sk_live_…"
    assert str(ConnectorWarning("whsec_abc")) == "whsec_…"
    assert repr(ConnectorError("pwd=x")) == "ConnectorError('pwd=…')"
