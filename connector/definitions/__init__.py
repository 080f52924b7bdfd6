"""Endpoints: what a file of `endpoints/` may say, finding and loading them, drafting them from Stripe's document."""
