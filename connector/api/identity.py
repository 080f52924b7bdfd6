"""Whose account a key opens, and whether it is live."""

from __future__ import annotations

from dataclasses import dataclass

from connector.api.account import account_of, is_live
from connector.api.client import Client
from connector.errors import ConfigError, PermissionDenied


@dataclass(frozen=True)
class Identity:
    """The account that a key opens, and whether its data is live."""

    account: str
    livemode: bool


def identify(client: Client) -> Identity:
    """Return whose rows a client reads; a key that may not tell is an error, never a guess."""
    connection = client.connection
    account = connection.account or _own_account(client)
    livemode = connection.livemode
    if livemode is None:
        livemode = is_live(client)
    return Identity(account, livemode)


def _own_account(client: Client) -> str:
    try:
        return account_of(client).id
    except PermissionDenied as error:
        raise ConfigError(
            f"The key may not read which account it opens ({error.reason or error}). Name it: account in "
            "the config or of the connection, or STRIPE_ACCOUNT; or give the key Read on Accounts."
        ) from error
