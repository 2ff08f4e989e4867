"""Makes a recording the same every time: ids, times and the like become samples, by the order in which they come."""

import base64
import binascii
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.catalog import datasets
from app.ids import is_id, stable_id

_ID = re.compile(r"\b(?:job|mdl|ds|whk|evt|dlv)_[0-7][0-9a-hjkmnp-tv-z]{25}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_CURSOR = re.compile(r"\b[A-Za-z0-9_-]{35,60}={0,2}")
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")
SAMPLE = "01kd6b9x2q7c4m8v5t3wyz"  #: how every sample of an id begins
_BEGIN = datetime(2026, 1, 5, 9, 0, 0, 316390, tzinfo=UTC)
_OURS = {stable_id("ds", name) for name in datasets()}  # the same on every machine


def sampled(exchanges: list[dict[str, Any]], *, folder: str) -> list[dict[str, Any]]:
    """The same exchanges in the words of the document; `folder` is where the service kept its things."""
    text = json.dumps(exchanges, ensure_ascii=False)
    ids = _Ids()
    text = _CURSOR.sub(lambda found: _cursor(found[0], ids), text)
    text = _ID.sub(lambda found: ids.sample(found[0]), text)
    times = {time: number for number, time in enumerate(sorted(set(_TIME.findall(text))))}
    text = _TIME.sub(lambda found: _moment(times[found[0]]), text)
    text = _SECRET.sub("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", text)
    return json.loads(text.replace(folder, "/srv/supercycle"))


class _Ids:
    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def sample(self, id: str) -> str:
        """The id that stands for this one."""
        if id in _OURS or id.endswith("0" * 20):
            return id
        prefix = id.partition("_")[0]
        number = len(self._known) + 1
        return self._known.setdefault(id, f"{prefix}_{SAMPLE}{number:04}")


def _cursor(text: str, ids: _Ids) -> str:
    try:
        id = base64.urlsafe_b64decode(text).decode()
    except (binascii.Error, UnicodeError):
        return text
    return base64.urlsafe_b64encode(ids.sample(id).encode()).decode() if is_id(id, id.partition("_")[0]) else text


def _moment(number: int) -> str:
    return (_BEGIN + timedelta(seconds=number / 4)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def rounded(value: Any, *, digits: int = 9) -> Any:
    """Without the last digits of what was computed, in which machines differ."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    return [rounded(part) for part in value] if isinstance(value, list) else value
