"""Walks one list of Stripe's, newest first, a hundred records at a time, by cursor.

A cursor is a record, and records can be deleted meanwhile; a list can lead back to where the walk has been. Neither
loses a record, nor goes on for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connector.api.client import Client
from connector.api.records import ListResponse, Page, keys_of, list_in, unseen
from connector.api.responses import Response
from connector.errors import DataError, StripeError

PAGE_ROWS = 100  # Stripe's greatest `limit`
_REMEMBERED_IDS = 10 * PAGE_ROWS  # how far back a walk can step when its cursor's object has been deleted

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Listing:
    """One list to walk: a path with its parameters, and where to begin and how to go on."""

    path: str
    label: str
    parameters: Parameters = field(default_factory=dict)
    cursor: str | None = None
    paging: str = "cursor"
    order_filter: str | None = None
    has_ids: bool = True

    @property
    def position(self) -> tuple[object, ...]:
        """Where in the list this is: no walk comes to the same place twice."""
        return self.path, self.cursor, self.parameters.get("page"), str(self.parameters.get(self.order_filter or ""))


def walk(client: Client, listing: Listing, page_rows: int = PAGE_ROWS) -> Iterator[Page]:
    """Yield the pages of one list, from its cursor to its end."""
    return _Walk(client, page_rows).pages(listing)


@dataclass(frozen=True)
class _Walk:
    client: Client
    page_rows: int

    def pages(self, listing: Listing) -> Iterator[Page]:
        recent: deque[str] = deque(maxlen=_REMEMBERED_IDS)
        oldest = None
        seen: frozenset[str] = frozenset()
        visited = _Visited()
        while True:
            try:
                response = self.client.get(listing.path, self._query(listing), endpoint=listing.label)
            except StripeError as error:
                if not (recent and error.code == "resource_missing" and error.param == "starting_after"):
                    raise
                seen = frozenset(recent)
                listing = visited.restarted(self._behind_deleted_cursor(listing, recent, oldest))
                continue
            listed = list_in(response, is_strict=listing.paging != "none")
            page = Page(bytes(listed.data), 0, response.sent_at, origin=response.name)
            keys = keys_of(page, need_id=listing.has_ids)
            further = _further(listing, listed, response, keys[-1].id if keys else None)
            created = [key.created for key in keys]
            page = replace(page, count=len(keys), created=created, goes_on=further is not None)
            yield from unseen(page, set(seen)) if seen else [page]
            if further is None:
                return
            recent.extend(key.id for key in keys if key.id is not None)
            oldest = keys[-1].created if keys and isinstance(keys[-1].created, int) else oldest
            listing = visited.went_on(further, response)

    def _query(self, listing: Listing) -> dict[str, Any]:
        if listing.paging == "none" or "?" in listing.path:
            return dict(listing.parameters)
        cursor = {"starting_after": listing.cursor} if listing.cursor else {}
        return {**listing.parameters, "limit": self.page_rows, **cursor}

    def _behind_deleted_cursor(self, listing: Listing, recent: Sequence[str], oldest: int | None) -> Listing:
        """Go on from an earlier record, or by time, where the one to go on from has been deleted meanwhile."""
        for candidate in _ever_earlier(recent):
            if self._still_stands(listing, candidate):
                return replace(listing, cursor=candidate)
        if listing.order_filter is None or oldest is None:
            raise DataError(
                f"{listing.path}: the last {len(recent):,} objects read were all deleted meanwhile, so there is "
                "nothing to go on from. Run it again."
            )
        since = {
            key: value
            for key, value in listing.parameters.get(listing.order_filter, {}).items()
            if key in ("gt", "gte")
        }
        bounded = {**listing.parameters, listing.order_filter: {**since, "lte": oldest}}
        return replace(listing, parameters=bounded, cursor=None)

    def _still_stands(self, listing: Listing, candidate: str) -> bool:
        query = {**listing.parameters, "limit": 1, "starting_after": candidate}
        try:
            self.client.get(listing.path, query, endpoint=listing.label)
        except StripeError as error:
            if error.code != "resource_missing":
                raise
            return False
        return True


def _further(listing: Listing, listed: ListResponse, response: Response, last_id: str | None) -> Listing | None:
    """Return what to ask for after a response: behind its last record, or the page that it names; None at the end."""
    if listing.paging == "url":  # which holds the parameters already
        return replace(listing, path=listed.next_page_url, parameters={}) if listed.next_page_url else None
    if not listed.has_more:
        return None
    if listing.paging == "none":
        raise DataError(f'{response.name} has more, but the definition says paging = "none".')
    if listing.paging == "page" and listed.next_page:
        return replace(listing, parameters={**listing.parameters, "page": listed.next_page})
    if listing.paging == "page" or last_id is None:
        raise DataError(f"{response.name} has more, but gave no record to go on from.")
    return replace(listing, cursor=last_id)


class _Visited:
    """Where a walk has been, so that a list that turns in a circle is an error and not read for ever."""

    def __init__(self) -> None:
        self._positions: set[object] = set()
        self._restarts: set[object] = set()

    def went_on(self, listing: Listing, response: Response) -> Listing:
        """Remember where the walk goes next; a DataError where it has been there before."""
        if listing.position in self._positions:
            raise DataError(f"{response.name} leads back to a page that was read before, so the list would never end.")
        self._positions.add(listing.position)
        return listing

    def restarted(self, listing: Listing) -> Listing:
        """Remember where the walk begins again; from there on it passes places where it has been, once."""
        if listing.position in self._restarts:
            raise DataError(f"{listing.path} leads back to a record that it says is gone, so it would never end.")
        self._restarts.add(listing.position)
        self._positions.clear()
        return listing


def _ever_earlier(ids: Sequence[str]) -> Iterator[str]:
    """Yield the last id, then ones further and further back: the 2nd, 4th, 8th from the end and so on."""
    step = 1
    while step <= len(ids):
        yield ids[-step]
        step *= 2
