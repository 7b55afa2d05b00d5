"""When a call is repeated: the one loop every request goes through.

Rule, as client-go's rest/with_retry.go, narrowed to calls that may be repeated safely:
  an answer of 429 or 5xx that carries Retry-After is waited for and asked again, at most ten times;
  a broken connection is tried again at once for reads only;
  POST and PATCH are never repeated: the caller decides.
"""

from __future__ import annotations

import asyncio

from pybernetes.client.transport import Request, Response, Transport, Unreachable, header

ATTEMPTS = 10
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
READS = frozenset({"GET", "HEAD", "OPTIONS"})


async def send_with_retries(transport: Transport, request: Request) -> Response:
    broken = 0
    for _ in range(ATTEMPTS):
        try:
            response = await transport.send(request)
        except Unreachable:
            broken += 1
            if request.method not in READS or broken > 1:
                raise
            continue
        wait = retry_after(request, response)
        if wait is None:
            return response
        await asyncio.sleep(wait)
    return await transport.send(request)


def retry_after(request: Request, response: Response) -> float | None:
    """Seconds after which this request should be asked again; None when the answer stands."""
    if request.method not in IDEMPOTENT or not (response.status == 429 or response.status >= 500):
        return None
    value = header(response.headers, "Retry-After")
    if value is None or not value.isdecimal():
        return None
    return float(value)
