"""Who may call: with an admin key set, only who shows it; without one, anybody on this machine."""

import hmac

from fastapi import Request

from app.errors import Unauthorized
from app.state import state_of


def authenticate(request: Request) -> None:
    """Refuse a call without the key. Missing and wrong keys get the same answer."""
    key = state_of(request).settings.api_key
    if key is None:
        return
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    expected = key.get_secret_value().encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(shown.strip().encode(), expected):
        hint = "Send it as 'Authorization: Bearer <key>'."
        raise Unauthorized("unauthorized", "The API key is missing or not valid.", hint)
