"""What happened, in the shapes that Stripe gives it: one file per object, fields that are empty included."""
