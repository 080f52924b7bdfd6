"""Is the key good, whose is it, and what may it read: one small request per endpoint, no data moved."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from connector.api.account import Api, account_of
from connector.api.pages import PageReader, Selection
from connector.definitions.endpoint import Endpoint
from connector.errors import AuthenticationFailed, ConnectorError, PermissionDenied, StripeError

_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Check:
    """One thing that was tried: what, whether it went well, and what came of it or has to be done."""

    what: str
    good: bool
    found: str


def check(api: Api, only: Collection[str] = ()) -> Iterator[Check]:
    """Yield the checks of key, mode and account, then of each endpoint (those in `only`, if any).

    A key that Stripe does not know raises AuthenticationFailed: there is nothing else to find out.
    """
    names = [name for name in api.endpoints if not only or name in only]
    for name in only:
        api.endpoints[name]  # an unknown one is an error before anything is sent
    yield from _account(api)
    reader = PageReader(api.client, api.endpoints, page_rows=1)
    for name in names:
        yield _endpoint(reader, api, api.endpoints[name])


def _account(api: Api) -> Iterator[Check]:
    connection = api.client.connection
    modes = {True: "live", False: "test", None: "unknown to this connector"}
    yield Check("key", good=True, found=f"{connection.key}, mode {modes[connection.livemode]}")
    try:
        account = account_of(api.client)
    except AuthenticationFailed:
        raise
    except StripeError as error:
        named = connection.account
        hint = f"the connection says {named}" if named else "name it: `account` of the connection, or STRIPE_ACCOUNT"
        opens = isinstance(error, PermissionDenied) and error.code != "account_invalid"
        yield Check("account", good=named is not None and opens, found=f"{error.reason or error} ({hint})")
        return
    yield Check("account", good=True, found=" ".join(filter(None, [account.id, account.display_name])))


def _endpoint(reader: PageReader, api: Api, endpoint: Endpoint) -> Check:
    if not endpoint.path:
        return Check(endpoint.name, good=True, found="not tried: Stripe gives it by id only")
    if unknown := [given.name for given in endpoint.filters.values() if given.required and not given.values]:
        return Check(endpoint.name, good=True, found=f"not tried: it needs a condition on {unknown[0]}")
    try:
        page = next(reader.read(endpoint, _smallest(api, endpoint)), None)
    except AuthenticationFailed:
        raise
    except PermissionDenied as error:
        return Check(endpoint.name, good=False, found=error.reason or str(error))
    except ConnectorError as error:
        return Check(endpoint.name, good=False, found=str(error))
    return Check(endpoint.name, good=True, found="can be read" if page and page.count else "can be read; empty")


def _smallest(api: Api, endpoint: Endpoint) -> Selection:
    """Return what makes the endpoint answer: the conditions that it needs, and the time window."""
    needed = {given.parameter: given.values[0] for given in endpoint.filters.values() if given.required}
    if endpoint.window is None:
        return Selection(needed)
    today = int(api.calendar.now.timestamp()) // _DAY_SECONDS * _DAY_SECONDS
    return Selection(needed | {endpoint.window.start: today - _DAY_SECONDS, endpoint.window.end: today})
