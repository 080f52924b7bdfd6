"""An account of Stripe's: what is read from, and who it is."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from connector.api.client import Client
from connector.api.records import decoded
from connector.dates import Calendar
from connector.definitions.actions import Actions
from connector.definitions.endpoint import Endpoints


@dataclass(frozen=True)
class Api:
    """What is read from: a client, the definitions, and the calendar that relative dates are read against."""

    client: Client
    endpoints: Endpoints
    calendar: Calendar
    actions: Actions = field(default_factory=Actions)


class Dashboard(msgspec.Struct):
    """How an account is called in Stripe's Dashboard."""

    display_name: str | None = None


class Settings(msgspec.Struct):
    """An account's settings, as far as they name it."""

    dashboard: Dashboard | None = None


class Account(msgspec.Struct):
    """The account that a key opens."""

    id: str
    settings: Settings | None = None

    @property
    def display_name(self) -> str | None:
        """What people call it, where the key may read that."""
        return self.settings.dashboard.display_name if self.settings and self.settings.dashboard else None


class Balance(msgspec.Struct):
    """The part of a balance that says of which mode it is."""

    livemode: bool


def account_of(client: Client) -> Account:
    """Ask Stripe which account the key opens; PermissionDenied where it may not read that."""
    account: Account = decoded(client.get("/v1/account"), Account)
    return account


def is_live(client: Client) -> bool:
    """Ask Stripe whether the key is a live one, where its name does not tell."""
    balance: Balance = decoded(client.get("/v1/balance"), Balance)
    return balance.livemode
