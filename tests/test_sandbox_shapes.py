"""Everything that the sandbox serves has the shape that Stripe's OpenAPI document gives it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from connector.sandbox.history.business import Business
from connector.sandbox.server.admin import CHILDREN
from tests.serving import a_sandbox

EVERY_KIND = sorted({*Business.kinds, *CHILDREN, "account", "balance"})


sandbox = pytest.fixture(scope="module")(a_sandbox)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_object_has_its_shape(sandbox: Sandbox, kind: str) -> None:
    found: dict[str, str] = {}
    count = 0
    for record in sandbox.truth(kind):
        count += 1
        record.pop("_parent", None)
        found |= {problem: record.get("id", "") for problem in api.problems(record, kind)}
    assert count > 0
    assert found == {}


LISTS = sorted(
    operation.path
    for operation in api.operations()
    if operation.method == "GET" and operation.lists and not operation.path_parameters and not operation.required
)


@pytest.mark.parametrize("path", LISTS)
def test_every_page_has_its_shape(sandbox: Sandbox, path: str) -> None:
    operation = api.operation("GET", path)
    assert operation is not None
    assert operation.returns is not None
    if operation.lists not in sandbox.store.kinds:
        return
    answer: dict[str, Any] = httpx.get(f"{sandbox.url}{path}", params={"limit": 20}, auth=(sandbox.key, "")).json()
    assert set(answer) == set(operation.returns.fields)
    for record in answer["data"]:
        assert api.problems(record, operation.lists or "") == []
