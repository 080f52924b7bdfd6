"""Stripe's OpenAPI documents: where STRIPE_SPEC_DIR says they are, and what stands in for them in a fresh clone."""

from __future__ import annotations

import gzip
import os
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

import connector

BESIDE = Path(__file__).parents[2] / "shared" / "stripe"
FOLDER = Path(os.environ.get("STRIPE_SPEC_DIR") or BESIDE)
WITHOUT_PROSE = Path(connector.__file__).with_name("stripe_api.json.gz")
needs_documents = pytest.mark.skipif(not [*FOLDER.glob("spec3.*.json.gz")], reason="STRIPE_SPEC_DIR is not set")


def newest() -> Path | None:
    """Return where the newest document is, if any is at hand."""
    return max(FOLDER.glob("spec3.reconstructed-*.json.gz"), default=None)


@cache
def calls() -> dict[str, Any]:
    """Return the document with every call; its prose may be missing."""
    return document(newest() or WITHOUT_PROSE)


def document(file: Path) -> dict[str, Any]:
    """Return what a gzipped document holds."""
    content: dict[str, Any] = msgspec.json.decode(gzip.decompress(file.read_bytes()))
    return content
