"""What Stripe's lists leave out in test mode: objects that live on a test clock, while their invoices are listed."""

from __future__ import annotations

from collections.abc import Sequence

from connector.api.account import Api
from connector.api.walk import Listing, walk
from connector.errors import ConnectorError
from connector.sync.tasks import Task

_CLOCKS = "/v1/test_helpers/test_clocks"


def has_clocks(api: Api) -> bool | None:
    """Say whether the account has test clocks; None where the key may not ask."""
    try:
        page = next(walk(api.client, Listing(_CLOCKS, _CLOCKS), 1))
    except ConnectorError:
        return None
    return page.count > 0


def clock_notes(api: Api, tasks: Sequence[Task]) -> list[str]:
    """Return a note where tables lack what is on test clocks; nothing where there is no clock."""
    names = [task.name for task in tasks if "test_clock" in task.endpoint.filters]
    if not names:
        return []
    if not has_clocks(api):
        return []  # also where the key may not ask: then nobody has said that there are any
    return [
        f"{' and '.join(names)}: what is on a test clock is left out, since Stripe does not list it; its invoices, "
        "charges and events are there"
    ]
