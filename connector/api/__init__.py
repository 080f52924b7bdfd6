"""Stripe over HTTP: the only room that speaks it."""
