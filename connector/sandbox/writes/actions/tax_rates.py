"""Tax rates: created and changed, never deleted."""

from __future__ import annotations

from connector.sandbox.document.rules import Record
from connector.sandbox.writes.engine.handlers import handles, holds
from connector.sandbox.writes.engine.write import Write, apply

holds("tax_rate")


@handles("POST /v1/tax_rates")
def create(write: Write) -> Record:
    """Create a tax rate."""
    rate = write.blank("tax_rate", id=write.new_id("txr_"), active=True)
    apply(rate, write.form, "tax_rate")
    rate["effective_percentage"] = rate["percentage"]
    write.put("tax_rate", rate)
    write.emit("tax_rate.created", rate)
    return rate


@handles("POST /v1/tax_rates/{tax_rate}")
def update(write: Write) -> Record:
    """Change a tax rate, but not what it takes."""
    rate = write.get("tax_rate", write.ids["tax_rate"])
    before = write.get("tax_rate", rate["id"])
    apply(rate, write.form, "tax_rate")
    write.put("tax_rate", rate)
    write.emit("tax_rate.updated", rate, before)
    return rate
