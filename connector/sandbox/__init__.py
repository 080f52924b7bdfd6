"""A local Stripe to try things on: seeded data of a small business, served over HTTP as Stripe serves it.

    with Sandbox(seed=1) as sandbox:
        stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url})

It knows Stripe's API from Stripe's OpenAPI document and nothing of the connector that it helps to test.
"""

from connector.sandbox.options import Options, Planned, SandboxError
from connector.sandbox.sandbox import Sandbox, serve_forever
from connector.sandbox.server.stats import Logged

__all__ = ["Logged", "Options", "Planned", "Sandbox", "SandboxError", "serve_forever"]
