"""The business as the seed has it: what happened, told in Stripe's objects."""
