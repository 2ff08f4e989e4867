"""Stores on other machines: how long one waits for them, and what their refusals mean for an operator."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from app.config import store_client_options

# A request that reads carries at most 1 MiB, one that writes a part of 8 MiB. The client's own defaults would keep
# a caller waiting for three minutes when a store is down.
CONNECT_TIMEOUT = timedelta(seconds=2)
READ_TIMEOUT = timedelta(seconds=5)
WRITE_TIMEOUT = timedelta(seconds=60)
_RETRIES: Any = {
    "max_retries": 2,
    "retry_timeout": READ_TIMEOUT,
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}
_HINTS = {
    "NoSuchBucket": "Create the bucket, or correct SUPERCYCLE_STORAGE_URL.",
    "InvalidAccessKeyId": "Correct AWS_ACCESS_KEY_ID.",
    "SignatureDoesNotMatch": "Correct AWS_SECRET_ACCESS_KEY.",
    "AccessDenied": "Let the key list, read, write and delete in the bucket.",
    "PermanentRedirect": "Set AWS_REGION to the bucket's region.",
    "AuthorizationHeaderMalformed": "Set AWS_REGION to the bucket's region.",
}


class StoreUnavailable(OSError):
    """The store does not answer, or refuses; the message names no address and no key."""

    def __init__(self, detail: str, hint: str) -> None:
        super().__init__(f"{detail} {hint}")
        self.detail = detail
        self.hint = hint


def connect(url: str, *, timeout: timedelta) -> ObjectStore:
    """The store at a URL. Address, region and credentials come from the AWS_* variables, read now."""
    options: Any = {"connect_timeout": CONNECT_TIMEOUT, "timeout": timeout}
    try:
        return from_url(url, client_options=options | store_client_options(), retry_config=_RETRIES)
    except (BaseError, ValueError) as error:
        raise ValueError("SUPERCYCLE_STORAGE_URL must look like s3://bucket/prefix or file:///folder") from error


@contextmanager
def answering() -> Iterator[None]:
    """Raise StoreUnavailable for all a store's client raises, but for what is not there."""
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):  # each object of it is said to be missing
            raise _unavailable(str(error)) from error
        raise
    except BaseError as error:
        raise _unavailable(str(error)) from error


def _unavailable(said: str) -> StoreUnavailable:
    found = re.search(r"<Code>(\w+)</Code>", said) or re.search(r"status code: (\d{3} \w+)", said)
    if found is None:
        return StoreUnavailable("The storage of files does not answer.", "See whether it runs and can be reached.")
    # The answer to a HEAD has no body that would name the reason.
    code = "AccessDenied" if found[1].startswith(("401", "403")) else found[1]
    return StoreUnavailable(f"The storage of files refuses: {code}.", _HINTS.get(code, "See the storage's own log."))
