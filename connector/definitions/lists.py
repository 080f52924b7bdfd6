"""What Stripe's document says of its lists beside their columns: names, parents, events, deletions.

A drafted definition starts from this; a person reads it, and what the person writes stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Schema = Mapping[str, Any]

# Names that people would guess, where the words of the path do not give them.
_NAMES = {
    "/v1/invoiceitems": "invoice_items",
    "/v1/test_helpers/test_clocks": "test_clocks",
    "/v1/reporting/report_runs": "report_runs",
    "/v1/reporting/report_types": "report_types",
    "/v1/apps/installs": "app_installs",
    "/v1/apps/secrets": "app_secrets",
    "/v1/product_catalog/trial_offers": "trial_offers",
    "/v1/entitlements/active_entitlements": "active_entitlements",
    "/v1/entitlements/features": "entitlement_features",
    "/v1/sigma/scheduled_query_runs": "sigma_query_runs",
    "/v1/sources/{source}/source_transactions": "source_transactions",
    "/v1/credit_notes/preview/lines": "credit_note_preview_lines",
    "/v1/quotes/{quote}/computed_upfront_line_items": "quote_upfront_lines",
    "/v1/payment_intents/{intent}/amount_details_line_items": "payment_intent_lines",
}
_LINES = {"line_items": "lines"}
_PARAMETER = re.compile(r"{(\w+)}")
_MANY_PARENTS = frozenset(  # lists so long that one call for each of their objects has to be asked for by name
    {"customers", "payment_intents", "setup_intents", "checkout_sessions", "payment_records", "invoices", "charges"}
)


def table_name(path: str) -> str:
    """Return what the table of a list, and the file of its actions, is called.

    The words of its path, those above a parameter in the singular.
    """
    if path in _NAMES:
        return _NAMES[path]
    parts = path.removeprefix("/v1/").split("/")
    words = [
        singular(part) if following.startswith("{") else _LINES.get(part, part)
        for part, following in zip(parts, [*parts[1:], ""], strict=True)
        if not part.startswith("{")
    ]
    return "_".join(words)


def singular(words: str) -> str:
    """Return the name of one of several things: tax_ids → tax_id, capabilities → capability."""
    if words.endswith("ies"):
        return f"{words[:-3]}y"
    return words.removesuffix("s")


@dataclass(frozen=True)
class Lists:
    """The lists of a document, as far as a definition has to know of them."""

    document: Schema

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The paths of all lists, searches left out."""
        return tuple(sorted(path for path in self.document["paths"] if self._is_list(path)))

    @cached_property
    def events(self) -> frozenset[str]:
        """The types of all events."""
        operation = self.document["paths"].get("/v1/webhook_endpoints", {}).get("post", {})
        content = operation.get("requestBody", {}).get("content", {})
        form = content.get("application/x-www-form-urlencoded", {}).get("schema", {}).get("properties", {})
        return frozenset(form.get("enabled_events", {}).get("items", {}).get("enum", ())) - {"*"}

    def words(self, path: str, schema: Schema) -> dict[str, Any]:
        """Return what a definition of the list says beside its columns and filters."""
        parents = list(self._parents(path, schema))
        kind = _object_of(schema)
        definition: dict[str, Any] = {
            "primary_key": [*(parent.get("column", parent["fills"]) for parent in parents if parent["nested"]), "id"],
            "updates": self._updates(kind),
            "deletes": self._deletes(kind, path),
        }
        if parents:
            plain = [{key: value for key, value in parent.items() if key != "nested"} for parent in parents]
            definition["parent"] = plain[0] if len(plain) == 1 else plain
            if embedded := self._embedded(path):
                definition["embedded"] = embedded
            elif parents[0]["table"] in _MANY_PARENTS:
                definition["by_name"] = f"one call for each {singular(parents[0]['table']).replace('_', ' ')}"
        if not any(parameter["name"] == "starting_after" for parameter in self._query(path)):
            definition["paging"] = "none"
        return definition

    def unfilled_parameters(self, path: str) -> list[str]:
        """Return the parameters that a list requires and that no other table fills."""
        return [name for name in self._required(path) if not self._list_of(name, path)]

    def _is_list(self, path: str) -> bool:
        operation = self.document["paths"][path].get("get")
        if operation is None or path.endswith("/search"):
            return False
        content = operation["responses"]["200"].get("content", {}).get("application/json", {})
        schema = self._resolved(content.get("schema", {}))
        return {"data", "has_more"} <= set(schema.get("properties", ()))

    def _parents(self, path: str, schema: Schema) -> Iterator[dict[str, Any]]:
        """Yield the tables whose rows each have such a list: those above in the path, those behind a parameter."""
        for parameter in _PARAMETER.finditer(path):
            above = path[: parameter.start()].rstrip("/")
            parent: dict[str, Any] = {"table": table_name(above), "fills": parameter[1], "nested": True}
            one = singular(above.rsplit("/", 1)[-1])
            column = one if one in schema.get("properties", {}) else singular(table_name(above))
            yield parent | ({"column": column} if column != parameter[1] else {})
        for name in self._required(path):
            if listed := self._list_of(name, path):
                yield {"table": table_name(listed), "fills": name, "nested": False}

    def _list_of(self, parameter: str, path: str) -> str | None:
        """Return the list whose objects a parameter names: of the same family of paths first."""
        plain = (listed for listed in self.paths if "{" not in listed)
        candidates = [listed for listed in plain if singular(listed.rsplit("/", 1)[-1]) == parameter]
        family = path.rsplit("/", 1)[0]
        return min(candidates, key=lambda listed: (not listed.startswith(f"{family}/"), len(listed)), default=None)

    def _required(self, path: str) -> list[str]:
        return [parameter["name"] for parameter in self._query(path) if parameter.get("required")]

    def _query(self, path: str) -> list[Schema]:
        parameters = self.document["paths"][path]["get"].get("parameters", ())
        return [parameter for parameter in parameters if parameter["in"] == "query"]

    def _embedded(self, path: str) -> str | None:
        """Return the field in which the parent carries the first page of the list, unless one has to ask for it."""
        above = path[: path.index("{")].rstrip("/") if "{" in path else None
        if above is None or above not in self.paths:
            return None
        last = path.rsplit("/", 1)[-1]
        properties = self._record(above).get("properties", {})
        for name in (last, _LINES.get(last, last)):
            listed = properties.get(name, {})
            # A list that may be null is there for those alone who ask for it.
            if {"data", "has_more"} <= listed.get("properties", {}).keys() and not listed.get("nullable"):
                return name
        return None

    def _record(self, path: str) -> Schema:
        response = self.document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        return self._resolved(self._resolved(response)["properties"]["data"]["items"])

    def _resolved(self, schema: Schema) -> Schema:
        if "$ref" not in schema:
            return schema
        resource: Schema = self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        return resource

    def _updates(self, kind: str) -> str:
        """Return how far events show changes of an object: all of them, some states, or none."""
        changes = {event.rsplit(".", 1)[-1] for event in self._events_of(kind)} - {"created", "deleted"}
        if "updated" in changes:
            return "events"
        return "partial" if changes else "none"

    def _deletes(self, kind: str, path: str) -> str:
        if any(event.endswith(".deleted") for event in self._events_of(kind)):
            return "event"
        return "compare" if self._is_deletable(path) or "{" in path else "never"

    def _events_of(self, kind: str) -> list[str]:
        prefix = _EVENT_NAMES.get(kind, kind)
        return [event for event in self.events if event.rpartition(".")[0] == prefix]

    def _is_deletable(self, path: str) -> bool:
        pattern = re.compile(re.escape(path) + r"/{\w+}$")
        return any(pattern.match(name) and "delete" in calls for name, calls in self.document["paths"].items())


_EVENT_NAMES = {  # events that are not called as their object
    "subscription": "customer.subscription",
    "tax_id": "customer.tax_id",
    "dispute": "charge.dispute",
    "issuing.authorization": "issuing_authorization",
    "issuing.card": "issuing_card",
    "issuing.cardholder": "issuing_cardholder",
    "issuing.dispute": "issuing_dispute",
    "issuing.personalization_design": "issuing_personalization_design",
    "issuing.token": "issuing_token",
    "issuing.transaction": "issuing_transaction",
}


def _object_of(schema: Schema) -> str:
    return next(iter(schema.get("properties", {}).get("object", {}).get("enum", ())), "")
