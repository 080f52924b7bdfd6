"""The map of holes is what is found when everything is done that the sandbox can do."""

from __future__ import annotations

from pathlib import Path

from connector.sandbox.writes.actions.banks import OUTCOMES
from connector.sandbox.writes.engine.schedule import WORKS
from connector.sandbox.writes.served import HANDLERS
from tests.map_of_holes import Place, page, survey

PAGE = Path(__file__).parents[1] / "docs" / "sandbox-holes.md"
ALWAYS_REFUSED = {"DELETE /v1/customers/{customer}/discount"}
PREFIXES = {"payout": {"po"}, "dispute": {"du"}, "charge": {"ch", "py"}}


def test_a_change_without_an_event_stands_on_the_page_of_holes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.map_of_holes > docs/sandbox-holes.md"


def test_no_action_of_the_sandbox_is_left_out_of_the_map() -> None:
    done = survey().actions
    assert HANDLERS.keys() - ALWAYS_REFUSED <= done
    assert {action.partition(":")[0] for action in done if "/" not in action} >= WORKS.keys()
    for kind, outcome in OUTCOMES:
        assert any(f"bank: {prefix} {outcome}" in done for prefix in PREFIXES[kind]), (kind, outcome)


def test_every_action_that_can_fall_due_has_fallen_due() -> None:
    store = survey()
    offered = {
        f"{kind}: {act.__name__.strip('_').replace('_', ' ')}"
        for kind, work in WORKS.items()
        for record in store.records(kind)
        for _, act in work.when(record)
    }
    assert offered <= store.actions


def test_the_holes_that_stripe_is_known_for_are_found() -> None:
    holes = survey().holes
    assert holes[Place("balance_transaction", "changed")].fields == {"status"}
    assert {"amount", "metadata"} <= holes[Place("payment_intent", "changed")].fields
    assert "description" in holes[Place("invoiceitem", "changed")].fields
    assert Place("charge", "changed") not in holes
