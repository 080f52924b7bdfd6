"""The verb write: rows of any source → actions of Stripe's, planned first."""
