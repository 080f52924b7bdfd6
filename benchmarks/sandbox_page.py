"""What a page of the sandbox costs: `python benchmarks/sandbox_page.py [small|1m]`.

The first column is one core's time for a page of 100, from making the objects to the bytes to be written; the
promise is 3 ms for charges. The last is how many such pages one client reads a second over HTTP.
"""

from __future__ import annotations

import sys
import time

import httpx

from connector.sandbox import Sandbox
from connector.sandbox.document import api
from connector.sandbox.server.messages import Request, Response

PAGES = 30


def main(size: str) -> None:
    started = time.perf_counter()
    with Sandbox(size=size, rps=0) as sandbox, httpx.Client(base_url=sandbox.url, auth=(sandbox.key, "")) as client:
        print(f"{size}: ready in {time.perf_counter() - started:.2f} s")
        print(f"{'list':28} {'objects':>8} {'kB/page':>8} {'ms/page':>8} {'pages/s':>8}")
        for path in lists(sandbox):
            print(row(sandbox, client, path))


def lists(sandbox: Sandbox) -> list[str]:
    return [
        operation.path
        for operation in api.operations()
        if operation.method == "GET"
        and operation.lists in sandbox.store.kinds
        and not operation.path_parameters
        and not operation.required
    ]


def row(sandbox: Sandbox, client: httpx.Client, path: str) -> str:
    call = Request("GET", path, "limit=100", {"authorization": f"Bearer {sandbox.key}"})
    answer = respond(sandbox, call)
    cpu = time.process_time()
    for _ in range(PAGES):
        respond(sandbox, call)
    cpu = (time.process_time() - cpu) / PAGES
    wall = time.perf_counter()
    for _ in range(PAGES):
        client.get(path, params={"limit": 100}).raise_for_status()
    wall = (time.perf_counter() - wall) / PAGES
    assert isinstance(answer.body, bytes)
    objects = answer.body.count(b"\n    {\n")
    return f"{path:28} {objects:8} {len(answer.body) / 1000:8.0f} {cpu * 1000:8.2f} {1 / wall:8.0f}"


def respond(sandbox: Sandbox, call: Request) -> Response:
    return sandbox.service.respond(call)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "small")
