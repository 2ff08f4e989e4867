"""Whether a service may listen where others reach it: only with a key."""

from sqlalchemy.exc import SQLAlchemyError

from app.api_keys.service import have_been_made
from app.config import Settings
from app.db.session import Database

_NO_KEY = "SUPERCYCLE_API_KEY is not set and no key was made with `supercycle keys create`"


def why_closed(settings: Settings) -> str | None:
    """What keeps a service from listening beyond loopback; None where a key guards it."""
    if settings.api_key is not None:
        return None
    if settings.has_no_database_yet:
        return _NO_KEY
    database = Database(settings.database)
    try:
        with database.reading() as session:
            made = have_been_made(session)
    except SQLAlchemyError as error:
        return f"SUPERCYCLE_API_KEY is not set, and no other key can be read ({type(error).__name__})"
    finally:
        database.dispose()
    return None if made else _NO_KEY
