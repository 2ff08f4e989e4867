"""Requests to one service: the key, retries of what is safe to repeat, problems turned into errors."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from supercycle.config import installed_version
from supercycle.errors import ConnectionFailed, ProblemError, SupercycleError, UnexpectedAnswer

Json = dict[str, Any]
Answer = TypeVar("Answer")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
LARGEST_PAGE = 200
LONGEST_KEY = 255
IN_PROGRESS = "idempotency_in_progress"
# Of a gateway, which says so of a service that is away; it may have handed the request on before that.
GATEWAY_STATUSES = (502, 504)
# Of what passes: the service is busy, or away behind a gateway.
PASSING_STATUSES = (429, 503, *GATEWAY_STATUSES)
# The request never left this machine.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Patience:
    """How long the same thing is tried again: for `seconds` after the first failure, with growing pauses."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Something went well; the next failure is a first one."""
        self._failing_since: float | None = None
        self._pause = FIRST_PAUSE_SECONDS

    def wait_out(self, error: SupercycleError) -> None:
        """Wait until it is time for another try; raises `error` where that would be in vain or too late."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        delay = retry_delay_seconds(error)
        if delay is None or now + max(delay, self._pause) > self._failing_since + self._seconds:
            raise error
        time.sleep(max(delay, self._pause))
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)


class Transport:
    """One service and how to talk to it; safe to share between threads, as httpx's client is."""

    def __init__(self, url: str, *, api_key: str | None, timeout_seconds: float, patience_seconds: float) -> None:
        self.url = _checked_url(url)
        self.timeout_seconds = timeout_seconds
        self.patience_seconds = patience_seconds
        headers = {"User-Agent": f"supercycle/{installed_version()}"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=timeout_seconds,
            # Over http nothing is verified, and to read the certificates would take longer than most requests.
            verify=self.url.lower().startswith("https:"),
            # A proxy from the environment cannot see this machine's loopback.
            trust_env=not _is_loopback(self.url),
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        timeout_seconds: float | None = None,
        also_accepted: int | None = None,
        **request: Any,  # noqa: ANN401 - what httpx takes
    ) -> httpx.Response:
        """One request, sent once; of 400 and above only the status `also_accepted` is no error."""
        timeout = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        with self._connection():
            response = self._http.request(method, self._path(path), timeout=timeout, **request)
        if response.is_error and response.status_code != also_accepted:
            raise self._refusal(response)
        return response

    def get(
        self, path: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """GET, again while the service is away or busy, for as long as the client is patient."""
        given = _given(params or {})
        return self.patiently(lambda: self.send("GET", path, params=given, headers=headers))

    def post(self, path: str, *, idempotency_key: str | None = None, **request: Any) -> Json:  # noqa: ANN401
        """POST, again like a read: by its key the service knows that it is the same one, and does it once."""
        headers = idempotency_headers(idempotency_key)
        return self.read_json(self.patiently(lambda: self.send("POST", path, headers=headers, **request)))

    def delete(self, path: str) -> None:
        """DELETE, again like a read; nothing left to delete after a try whose answer was lost is what was wanted."""
        may_be_done = False

        def once() -> None:
            nonlocal may_be_done
            try:
                self.send("DELETE", path)
            except ConnectionFailed as error:
                may_be_done = may_be_done or not isinstance(error.__cause__, NOT_SENT)
                raise
            except UnexpectedAnswer as error:
                may_be_done = may_be_done or error.status in GATEWAY_STATUSES
                raise
            except ProblemError as error:
                if error.status != 404 or not may_be_done:
                    raise

        self.patiently(once)

    def get_json(self, path: str, *, params: Mapping[str, Any] | None = None) -> Json:
        """The JSON object at `path`."""
        return self.read_json(self.get(path, params=params))

    def read_json(self, response: httpx.Response) -> Json:
        """The JSON object in an answer."""
        try:
            data = response.json()
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise UnexpectedAnswer(f"{self.url} answered, but not as Supercycle does; check SUPERCYCLE_URL")
        return data

    @contextmanager
    def stream(
        self, path: str, *, headers: Mapping[str, str] | None = None, silence_seconds: float | None = None
    ) -> Iterator[httpx.Response]:
        """A GET whose body is read as it comes; `silence_seconds` is how long the service may say nothing."""
        timeout = httpx.Timeout(self.timeout_seconds, read=silence_seconds or self.timeout_seconds)
        with (
            self._connection(),
            self._http.stream("GET", self._path(path), headers=headers, timeout=timeout) as response,
        ):
            if response.is_error:
                response.read()
                raise self._refusal(response)
            yield response

    def pages(self, path: str, *, params: Mapping[str, Any], limit: int | None = None) -> Iterator[Json]:
        """The items of a list, page by page, at most `limit` of them."""
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            size = None if left is None else min(left, LARGEST_PAGE)
            page = self.get_json(path, params={**params, "limit": size, "cursor": cursor})
            items: list[Json] = page["items"][:left]
            yield from items
            left = None if left is None else left - len(items)
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def patiently(self, action: Callable[[], Answer], *, patience_seconds: float | None = None) -> Answer:
        """Do `action` again, with growing pauses, while nothing answers or the service is busy."""
        patience = Patience(self.patience_seconds if patience_seconds is None else patience_seconds)
        while True:
            try:
                return action()
            except SupercycleError as error:
                patience.wait_out(error)

    @contextmanager
    def _connection(self) -> Iterator[None]:
        try:
            yield
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise ConnectionFailed(
                f"no answer from {self.url}: {reason}. Start one with `supercycle serve`, or set SUPERCYCLE_URL"
            ) from error

    def _refusal(self, response: httpx.Response) -> ProblemError | UnexpectedAnswer:
        retry_after = response.headers.get("Retry-After", "")
        status, seconds = response.status_code, float(retry_after) if retry_after.isdecimal() else 0.0
        problem = _problem(response)
        if problem is not None:
            return ProblemError.read(problem, status=status, retry_after_seconds=seconds)
        advice = "its service may be away; else check" if status in PASSING_STATUSES else "check"
        said = f"{self.url} answered {status} {response.reason_phrase}".rstrip()
        return UnexpectedAnswer(
            f"{said}, but not as Supercycle does; {advice} SUPERCYCLE_URL", status=status, retry_after_seconds=seconds
        )

    def _path(self, href: str) -> str:
        # The key must not follow a link to somewhere else.
        if "://" in href and not href.startswith(f"{self.url}/"):
            raise UnexpectedAnswer(f"{self.url} sent a link that leads elsewhere: {href}")
        return href.removeprefix(self.url)


def retry_delay_seconds(error: Exception) -> float | None:
    """How long to wait before another try; None for an error that would come again."""
    if isinstance(error, ConnectionFailed):
        return FIRST_PAUSE_SECONDS
    if not isinstance(error, (ProblemError, UnexpectedAnswer)):
        return None
    if error.status in PASSING_STATUSES or error.code == IN_PROGRESS:
        return max(error.retry_after_seconds, FIRST_PAUSE_SECONDS)
    return None


def idempotency_headers(key: str | None) -> dict[str, str]:
    """The header that makes a POST safe to repeat: with the caller's key, or one that nobody else has."""
    if key is None:
        key = str(uuid.uuid4())
    elif not 1 <= len(key) <= LONGEST_KEY or not all("!" <= letter <= "~" for letter in key):
        raise ValueError(f"an idempotency key is 1 to {LONGEST_KEY} visible ASCII characters, not {key!r}")
    return {"Idempotency-Key": key}


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ConnectionFailed(f"{url!r} is not an address: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConnectionFailed(f"{url!r} is not an address; it must look like http://127.0.0.1:8000")
    return url.rstrip("/")


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _given(params: Mapping[str, Any]) -> Json:
    return {name: value for name, value in params.items() if value is not None}


def _problem(response: httpx.Response) -> Json | None:
    """The problem that a refusal of the service holds, known by its code; None where somebody else refused."""
    try:
        data = response.json()
    except ValueError:
        return None
    return data if isinstance(data, dict) and isinstance(data.get("code"), str) else None


def segment(text: str) -> str:
    """`text` as one segment of a path: an id that was mistyped must not become another address."""
    if not text:
        raise ValueError("an id or a name must not be empty")
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")
