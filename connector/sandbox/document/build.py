"""Cuts Stripe's API document down to what the sandbox needs: `python -m connector.sandbox.document.build SPEC_DIR`.

Run once per API version by whoever has the documents. It writes `connector/stripe_api.json.gz` (every path
with its parameters and bodies, every schema, no prose; lengths and former parameters from the published document),
`samples.json.gz` beside this file (Stripe's published sample of each object) and the samples that tests read, under
`tests/data`. Nothing else imports it.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.sandbox.document.former import add_former

_PROSE = frozenset({"description", "title", "x-sdk", "x-resourceId", "x-expansionResources"})
_NAMED = frozenset({"properties", "schemas", "paths"})  # below these, keys are names and never prose

SAMPLES = (
    "account", "balance", "balance_transaction", "billing.meter", "charge", "checkout.session", "coupon",
    "credit_note", "credit_note_line_item", "customer", "customer_balance_transaction", "deleted_customer",
    "discount", "dispute", "event", "invoice",
    "invoice_payment", "invoiceitem", "item", "line_item", "payment_intent", "payment_link", "payment_method",
    "payout", "plan", "price", "product", "promotion_code", "refund", "setup_attempt", "setup_intent", "shipping_rate",
    "subscription", "subscription_item", "tax_id", "tax_rate", "test_helpers.test_clock",
)  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Where `build` writes: the package, this room, and the folder of the test samples."""

    package: Path = Path(__file__).parents[2]
    document: Path = Path(__file__).parent
    samples: Path = Path(__file__).parents[3] / "tests" / "data"


def build(spec_dir: Path, places: Places) -> list[Path]:
    """Write the cut document and the samples; return the files written."""
    document, published = (_newest(spec_dir, f"spec3.{word}-*.json.gz") for word in ("reconstructed", "published"))
    add_former(document, published)
    places.samples.mkdir(parents=True, exist_ok=True)
    written = {
        places.package / "stripe_api.json.gz": _zip(cut(document)),
        places.document / "samples.json.gz": _zip(_published(spec_dir / "fixtures3.json")),
        places.samples / "fixtures.json": pick((spec_dir / "fixtures3.json").read_bytes(), SAMPLES),
        places.samples / "invoice_2023.json": (spec_dir / "invoice_2023.json").read_bytes(),
    }
    for path, content in written.items():
        path.write_bytes(content)
    return list(written)


def _published(file: Path) -> dict[str, Any]:
    """Return all of Stripe's samples, by kind, without what is expanded in them."""
    samples: dict[str, Any] = json.loads(file.read_bytes())["resources"]
    return {kind: sample for kind, sample in samples.items() if isinstance(sample, dict) and "object" in sample}


def _newest(spec_dir: Path, pattern: str) -> dict[str, Any]:
    """Return the newest document of a folder whose name is like this."""
    found = next(iter(sorted(spec_dir.glob(pattern), reverse=True)), None)
    if found is None:
        raise FileNotFoundError(f"{spec_dir}: no {pattern} here")
    document: dict[str, Any] = json.loads(gzip.decompress(found.read_bytes()))
    return document


def cut(node: Any, named: bool = False) -> Any:
    """Return `node` without prose; `named` says that its keys are names of properties, schemas or paths."""
    if isinstance(node, dict):
        kept = node if named else {key: value for key, value in node.items() if key not in _PROSE}
        return {key: cut(value, not named and key in _NAMED) for key, value in kept.items()}
    if isinstance(node, list):
        return [cut(item) for item in node]
    return node


def pick(fixtures: bytes, names: Collection[str]) -> bytes:
    """Return the samples called `names` out of Stripe's fixtures, in the same layout."""
    samples = json.loads(fixtures)["resources"]
    picked = {"resources": {name: samples[name] for name in names}}
    return json.dumps(picked, indent=1, ensure_ascii=False).encode() + b"\n"


def _zip(document: dict[str, Any]) -> bytes:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def main(arguments: list[str]) -> int:
    """Build from the folder named by the one argument; 0 when done, 1 when it is not there, 2 on misuse."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m connector.sandbox.document.build SPEC_DIR\n")
        return 2
    try:
        written = build(Path(arguments[0]), Places())
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{path} ({path.stat().st_size:,} bytes)\n" for path in written)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
