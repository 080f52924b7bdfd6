"""What is read from Stripe's published document: calls, parameters, shapes, filters, empty objects, refusals."""
