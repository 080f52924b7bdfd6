"""What is read from: an account, as its client, the definitions of its tables and a calendar."""

from __future__ import annotations

from dataclasses import dataclass

from connector.api.client import Client
from connector.dates import Calendar
from connector.definitions.endpoint import Endpoints


@dataclass(frozen=True)
class Api:
    """What is read from: a client, the definitions, and the calendar that relative dates are read against."""

    client: Client
    endpoints: Endpoints
    calendar: Calendar
