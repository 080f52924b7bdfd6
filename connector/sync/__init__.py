"""The verb sync: keep tables equal to Stripe, run after run."""
