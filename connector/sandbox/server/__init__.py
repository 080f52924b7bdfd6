"""From a socket to an answer: keys, accounts, limits, faults, idempotency, statistics and webhooks."""
