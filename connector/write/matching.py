"""Finds live objects: by id, or by a value that they show. At most twice as many calls as the cheaper way takes.

A list is walked page by page as long as that has not cost more calls than asking for each value would; then each value
that is left is asked for. Never by search, which lags.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import msgspec

from connector.api.account import Api
from connector.api.pages import PageReader, Selection
from connector.api.records import path_part
from connector.definitions.actions import Action
from connector.definitions.endpoint import Endpoint
from connector.errors import ObjectMissing, UsageError, did_you_mean

Record = Mapping[str, Any]
Matches = dict[str, list[Record]]
_READERS = 20


@dataclass(frozen=True)
class Matching:
    """What objects of one kind are found by: the `path` of the value that they show.

    `above` are the ids of the objects that they stand below, by the names that the action's path has for them.
    """

    api: Api
    action: Action
    path: str
    above: Mapping[str, str] = field(default_factory=dict)

    def find(self, values: Collection[str]) -> Matches:
        """Return the objects that show each value; for a value it may be none, or several."""
        endpoint = self._endpoint()
        asking = self._asking(endpoint)
        if endpoint is None:
            return self._matches_by_value(asking, values) if asking else {}
        if asking is not None and len(values) == 1:
            return self._matches_by_value(asking, values)
        matches, is_whole = self._walked(endpoint, set(values), len(values) if asking else None)
        if is_whole and self.path != "id":
            return matches
        left = [value for value in values if self.path != "id" or value not in matches]
        return matches | self._matches_by_value(asking, left) if asking else matches

    def _endpoint(self) -> Endpoint | None:
        endpoints = self.api.endpoints
        if self.action.of in endpoints:
            known = endpoints[self.action.of]
            if not known.rows and len(known.parents) == len(self.above):
                return known
        if self.path == "id":
            return None
        raise UsageError(f"{self.action.of} have no list of their own to look for {self.path} in: give their id.")

    def _asking(self, endpoint: Endpoint | None) -> Callable[[str], Iterator[Record]] | None:
        """Return what asks for one value, where Stripe narrows by it."""
        if self.path == "id":
            return self._retrieve
        if self.above:  # their list is as short as it gets
            return None
        narrowing = endpoint.filter_for(self.path) if endpoint else None
        if endpoint is None or narrowing is None or narrowing.kind != "equals":
            return None
        parameter = narrowing.parameter
        return lambda value: self._records(endpoint, {parameter: value})

    def _retrieve(self, value: str) -> Iterator[Record]:
        path = self.action.path.split("{id}")[0] + "{id}"
        for name, above in self.above.items():
            path = path.replace(f"{{{name}}}", path_part(above))
        try:
            record = self.api.client.get(path.replace("{id}", path_part(value)), endpoint=path).json()
        except ObjectMissing as error:
            if error.code != "resource_missing":
                raise
            return
        if not record.get("deleted"):
            yield record

    def _walked(self, endpoint: Endpoint, values: set[str], most_pages: int | None) -> tuple[Matches, bool]:
        """Return what a walk of the list finds, and whether it came to its end."""
        matches: Matches = {}
        reader = PageReader(self.api.client, self.api.endpoints)
        parents = {parent.column: (above,) for parent, above in zip(endpoint.parents, self.above.values(), strict=True)}
        for number, page in enumerate(reader.read(endpoint, Selection(parents=parents)), 1):
            for record in msgspec.json.decode(page.records):
                self._add(matches, record, values)
            if self.path == "id" and len(matches) == len(values):
                return matches, True
            if most_pages is not None and number >= most_pages:
                return matches, False
        return matches, True

    def _matches_by_value(self, asking: Callable[[str], Iterator[Record]], values: Collection[str]) -> Matches:
        def ask(value: str) -> Matches:
            matches: Matches = {}
            for record in asking(value):
                self._add(matches, record, {value})
            return matches

        together: Matches = {}
        with ThreadPoolExecutor(_READERS) as pool:
            for matches in pool.map(ask, values):
                together |= matches
        return together

    def _records(self, endpoint: Endpoint, parameters: Mapping[str, str]) -> Iterator[Record]:
        for page in PageReader(self.api.client, self.api.endpoints).read(endpoint, Selection(parameters)):
            yield from msgspec.json.decode(page.records)

    def _add(self, matches: Matches, record: Record, values: Collection[str]) -> None:
        shown = shown_at(record, self.path)
        if shown is not None and shown in values and record not in matches.get(shown, ()):
            matches.setdefault(shown, []).append(record)


def check_match(api: Api, action: Action, path: str) -> None:
    """Refuse to match by what neither the action nor the object knows."""
    columns = api.endpoints[action.of].columns if action.of in api.endpoints else ()
    shown = ["id", *(".".join(column.path) for column in columns)]
    if path not in shown and action.parameter(path) is None:
        raise UsageError(
            f'{action.of} cannot be matched by "{path}".{did_you_mean(path, [*action.parameters, *shown])}'
        )


def shown_at(record: Record, path: str) -> str | None:
    """Return the value that an object shows at a path, as text; None where it shows none."""
    here: Any = record
    for name in path.split("."):
        here = here.get(name) if isinstance(here, Mapping) else None
    if isinstance(here, Mapping):
        here = here.get("id")
    if isinstance(here, bool):
        return str(here).lower()
    return None if here is None else str(here)
