"""The form of a key, `sc_<id>_<secret>`: the id finds its row, the digest of the whole proves it."""

import hashlib
import hmac
import re
import secrets

_FORM = re.compile(r"sc_([0-9a-hjkmnp-tv-z]{26})_[A-Za-z0-9_-]{43}")


def new_token(key_id: str) -> str:
    """A key for the row `key_…`, with 32 random bytes; whoever makes it shows it once and forgets it."""
    return f"sc_{key_id.removeprefix('key_')}_{secrets.token_urlsafe(32)}"


def key_id_of(token: str) -> str | None:
    """The id of the row that a key belongs to; None where it has not the form of one."""
    found = _FORM.fullmatch(token)
    return f"key_{found[1]}" if found else None


def digest_of(token: str) -> str:
    """What is stored instead of the key. 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not say how far they are."""
    return hmac.compare_digest(one.encode(), other.encode())
