"""What write and bulk requests share: gates, the plan of what would be sent, the ledger of what was, sending it."""
