"""One attempt to deliver an event: looks up the host, guards, signs, sends, and says what came of it.

Everything in here talks to a stranger: the time, the addresses and what is read of the answer are bounded.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
from standardwebhooks import Webhook

from app.webhooks.addresses import NotAllowed, checked_addresses, checked_url, host_of
from app.webhooks.due import Due, Outcome

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
LARGEST_ANSWER_BYTES = 4096  #: read so that the receiver can finish; never kept, it may come from inside
MOST_ADDRESSES = 3
_LONGEST_ERROR = 300

Resolve = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """Every address of a host; raises OSError where it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


class Sender:
    """Sends deliveries; safe to share between threads."""

    def __init__(
        self,
        *,
        private_allowed: bool,
        resolve: Resolve = resolve,
        trust: ssl.SSLContext | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._private_allowed = private_allowed
        self._resolve = resolve
        self._trust = trust or httpx.create_ssl_context()  # once: it reads every root certificate
        self._total_seconds = total_seconds
        # A lookup cannot be broken off, so it is left behind here when its time is over.
        self._lookups = ThreadPoolExecutor(8, thread_name_prefix="lookup")

    def send(self, due: Due) -> Outcome:
        """One attempt. Whatever is wrong with the receiver is an outcome, not an exception."""
        began = time.monotonic()
        status, error, retry_after = None, None, None
        try:
            response = asyncio.run(self._within_time(due))
            status, retry_after = response.status_code, _retry_after(response)
        except NotAllowed as refusal:
            error = str(refusal)
        except TimeoutError:
            error = f"There was no whole answer within {self._total_seconds:g} s."
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
            error = _reason(failure)
        if status is not None and not 200 <= status < 300:
            error = _meaning(status)
        return Outcome(round(1000 * (time.monotonic() - began)), status, error, retry_after)

    async def _within_time(self, due: Due) -> httpx.Response:
        # httpx bounds each wait, not all of them: a receiver could send a byte at a time for ever.
        async with asyncio.timeout(self._total_seconds):
            return await self._attempt(due)

    async def _attempt(self, due: Due) -> httpx.Response:
        url = checked_url(due.url, private_allowed=self._private_allowed)
        port = url.port or (443 if url.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._lookups, self._resolve, host_of(url), port)
        addresses = checked_addresses(found, private_allowed=self._private_allowed)[:MOST_ADDRESSES]
        for address in addresses[:-1]:
            try:
                return await self._post(due, url, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent yet
        return await self._post(due, url, addresses[-1])

    async def _post(self, due: Due, url: httpx.URL, address: str) -> httpx.Response:
        """POST to exactly this address under the host's name; no redirects, no proxies, no cookies."""
        timeout = httpx.Timeout(self._total_seconds, connect=CONNECT_SECONDS)
        headers = _headers(due) | {"Host": url.netloc.decode("ascii")}
        names = {"sni_hostname": host_of(url).rstrip(".")}  # also the name that the certificate must be for
        pinned = url.copy_with(host=address)
        async with (
            httpx.AsyncClient(verify=self._trust, timeout=timeout, trust_env=False, follow_redirects=False) as client,
            client.stream("POST", pinned, content=due.payload, headers=headers, extensions=names) as response,
        ):
            await _read_a_little(response)
            return response


def _headers(due: Due) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Supercycle-Webhooks",
        "webhook-id": due.event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(due.secret).sign(due.event_id, now, due.payload),
    }


async def _read_a_little(response: httpx.Response) -> None:
    count = 0
    async for chunk in response.aiter_raw(1024):
        count += len(chunk)
        if count >= LARGEST_ANSWER_BYTES:
            return


def _retry_after(response: httpx.Response) -> timedelta | None:
    """How long its sender asks to be left alone: seconds, or until a date; None where it does not say so."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=int(text[:9]))  # three years are as good as more
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (until if until.tzinfo else until.replace(tzinfo=UTC)) - datetime.now(UTC)


def _meaning(status: int) -> str:
    if 300 <= status < 400:
        return f"It answered {status}; redirects are not followed. Give the address it leads to."
    if status == 410:
        return "It answered 410 Gone, so the webhook is disabled."
    return f"It answered {status}."


def _reason(failure: Exception) -> str:
    """Why there was no answer, from the depths of the libraries: they say it in the innermost exception."""
    chain: list[BaseException] = [failure]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    for found in reversed(chain):
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"Its certificate is not trusted: {found.verify_message}."
        if isinstance(found, socket.gaierror):
            return f"The name of its host cannot be looked up: {found.strerror}."
        if isinstance(found, OSError) and not isinstance(found, ssl.SSLError) and found.errno:
            return f"There was no answer: {os.strerror(found.errno)}."
    if isinstance(failure, httpx.ConnectTimeout):
        return f"There was no connection within {CONNECT_SECONDS:g} s."
    words = next((str(found) for found in reversed(chain) if str(found)), "")
    return f"There was no answer: {words or type(failure).__name__}"[:_LONGEST_ERROR]
