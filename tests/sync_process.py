"""A sync in a process of its own, to be killed: begins on a line of input, and logs when it is inside a commit.

`python -m tests.sync_process URL FILE LOG ENDPOINT…`; "[" in the log is the beginning of a commit, "]" its end, "." the
end of the run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb  # noqa: F401 - imported before the start, so that the kills fall into the run

from connector import Stripe
from connector.sync import family
from connector.sync.family import Family

COMMIT_ROWS = 40


def main(url: str, file: str, log_file: str, *endpoints: str) -> None:
    family.COMMIT_ROWS = COMMIT_ROWS
    stripe = Stripe(key="sk_test_sandbox", api_base=url, max_rps=100_000, max_rps_per_endpoint=100_000)
    with Path(log_file).open("wb", buffering=0) as log:

        def logged(inner: Callable[..., Any]) -> Callable[..., Any]:
            def outer(*arguments: Any) -> Any:
                log.write(b"[")
                result = inner(*arguments)
                log.write(b"]")
                return result

            return outer

        setattr(Family, "_commit", logged(Family._commit))  # noqa: B010 - mypy knows no other way to replace a method
        setattr(Family, "_finish", logged(Family._finish))  # noqa: B010
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        assert not stripe.sync(list(endpoints), to=file).failed
        log.write(b".")


if __name__ == "__main__":
    main(*sys.argv[1:])
