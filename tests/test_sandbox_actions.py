"""The sandbox knows every action with every parameter: it answers 501 to what it does not simulate, none is unknown."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from connector.api.encoding import form_encode
from connector.definitions.actions import Action, Actions, Parameter
from tests.serving import a_sandbox, its_client

sandbox = pytest.fixture(scope="module")(a_sandbox)
client = pytest.fixture(scope="module")(its_client)

ACTIONS = Actions()
EVERY = [action for name in ACTIONS for action in ACTIONS[name].values() if not action.path.startswith("/v1/files")]
_SAMPLES: dict[str, Any] = {
    "text": "x", "integer": 1, "number": 1, "decimal": "1", "boolean": True, "timestamp": 1_790_000_000,
    "map": {"key": "x"}, "json": "x", "object": None,  # an object without parameters cannot stand in a form
}  # fmt: skip


def sample(action: Action, parameter: Parameter) -> Any:
    """Return a value of a parameter, with a value of every parameter inside it."""
    prefix = f"{parameter.path}[]." if parameter.many else f"{parameter.path}."
    inside = {
        each.path.removeprefix(prefix): sample(action, each)
        for each in action.parameters.values()
        if each.path.startswith(prefix) and "." not in each.path.removeprefix(prefix)
    }
    words = [*parameter.enum, *parameter.values]
    value = inside or (words[0] if words else _SAMPLES[parameter.type])
    return [value] if parameter.many else value


def form_of(action: Action) -> dict[str, Any]:
    """Return a form that holds every parameter of an action."""
    return {each.path: sample(action, each) for each in action.parameters.values() if "." not in each.path}


def test_no_parameter_of_an_action_is_unknown(client: httpx.Client, subtests: pytest.Subtests) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    refused = re.compile("unknown parameter|unrecognized request url|missing required param", re.IGNORECASE)
    for action in EVERY:
        path = re.sub(r"\{.+?\}", "id_1", action.path)
        with subtests.test(action.full_name):
            response = client.request(action.method, path, content=form_encode(form_of(action)), headers=headers)
            assert not refused.search(response.json().get("error", {}).get("message", ""))
