"""Whose objects a call sees: each account has its own, and in live mode other changes than in test mode.

The sandbox's own account has connected accounts, called by `Stripe-Account`; each is a small business too. Live
and test mode begin with the same objects and go separate ways.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from copy import deepcopy
from operator import itemgetter

from connector.sandbox.document.rules import Record
from connector.sandbox.document.templates import listed
from connector.sandbox.history.business import Business, business
from connector.sandbox.history.objects.identities import Identities
from connector.sandbox.options import Options
from connector.sandbox.world.clock import Clock
from connector.sandbox.world.store import Store
from connector.sandbox.writes.opening import furnish
from connector.sandbox.writes.served import KINDS

CONNECTED = 3
"""How many connected accounts there are."""

_JOINS_SECONDS = 97 * 86_400  # between the days on which two accounts were connected
_APART = 1_000_003  # between the seeds of two accounts
_CONTROLLER = {
    "fees": {"payer": "application_express"},
    "is_controller": True,
    "losses": {"payments": "application"},
    "requirement_collection": "stripe",
    "stripe_dashboard": {"type": "express"},
    "type": "application",
}


class Accounts:
    """The stores by account and mode, made when first asked for."""

    def __init__(self, store: Store, options: Options, clock: Clock) -> None:
        self.own = str(store.business.account()["id"])
        seeds = [options.seed + _APART * place for place in range(1, CONNECTED + 1)]
        self._seeds = {Identities(seed).account: seed for seed in seeds}
        self._businesses = {name: business(seed, "small", clock.start) for name, seed in self._seeds.items()}
        self._connected = _connect(self._businesses)
        self._introduce(store)
        furnish(store)
        self._stores = {(self.own, False): store}
        self._clock = clock
        self._search_lag_seconds = options.search_lag_seconds
        self._older_events = options.older_events
        self._event_troubles = store.telling.troubles
        self._lock = threading.Lock()

    @property
    def connected(self) -> tuple[str, ...]:
        """Ids of the connected accounts."""
        return tuple(self._seeds)

    def find(self, account: str, livemode: bool = False) -> Store | None:
        """Return the store of an account in a mode, or None where the account is not known."""
        if account != self.own and account not in self._seeds:
            return None
        with self._lock:
            return self._stores.get((account, livemode)) or self._made(account, livemode)

    def _made(self, account: str, livemode: bool) -> Store:
        seed = self._seeds.get(account, 0)
        generated = self._businesses.get(account) or self._stores[self.own, not livemode].business
        store = Store(generated, self._clock, KINDS, seed + livemode)
        store.search_lag_seconds = self._search_lag_seconds
        store.older_events = self._older_events
        store.telling.troubles = self._event_troubles
        store.connected_account = account if account != self.own else None
        furnish(store)
        if account == self.own:
            self._introduce(store)
        else:
            store.own_account = lambda: deepcopy(self._connected[account])
        self._stores[account, livemode] = store
        return store

    def _introduce(self, store: Store) -> None:
        """Let the own account know of its connected ones."""
        for account in self._connected.values():
            store.put("account", account)


def _connect(businesses: Mapping[str, Business]) -> dict[str, Record]:
    """Return the accounts of businesses as the platform sees them, by id, those connected first first."""
    accounts = sorted((each.account() for each in businesses.values()), key=itemgetter("created", "id"))
    return {each["id"]: _controlled(each, place, businesses[each["id"]]) for place, each in enumerate(accounts)}


def _controlled(account: Record, place: int, business: Business) -> Record:
    """Return an account that the platform controls, which therefore sees where it is paid out to."""
    url = f"/v1/accounts/{account['id']}/external_accounts"
    connected_at = account["created"] + (place + 1) * _JOINS_SECONDS
    return account | {
        "controller": deepcopy(_CONTROLLER),
        "created": connected_at,
        "email": f"owner.{place}@example.com",
        "external_accounts": listed(url, business.bank_accounts()),
        "metadata": {"shop": f"{place + 1}"},
        "tos_acceptance": {"date": connected_at, "ip": f"192.0.2.{place + 1}", "user_agent": "Mozilla/5.0"},
        "type": "express",
    }
