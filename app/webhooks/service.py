"""What one can do with webhooks, within the caller's transaction. The keeper sends what is due."""

import base64
import secrets
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.callers import Caller
from app.db.locks import lock_owner
from app.db.tables import WebhookDeliveryTable, WebhookTable
from app.errors import Conflict, NotFound, not_found, refused
from app.ids import is_id, new_id
from app.webhooks.addresses import NotAllowed, checked_url
from app.webhooks.repository import WebhookRepository
from app.webhooks.schemas import NewWebhook

MOST_PER_OWNER = 20  #: each is looked at whenever a job of the owner's changes its state
_SECRET_BYTES = 32  # Standard Webhooks: 24 to 64


def add(session: Session, wanted: NewWebhook, caller: Caller, *, private_allowed: bool) -> WebhookTable:
    """Store a webhook with a new secret. It hears of what happens from now on."""
    try:
        checked_url(wanted.url, private_allowed=private_allowed)
    except NotAllowed as error:
        hint = "Give a public https:// address. The operator can allow others with SUPERCYCLE_WEBHOOK_PRIVATE_HOSTS."
        raise refused("#/url", code="webhook_url_not_allowed", detail=str(error), hint=hint) from error
    lock_owner(session, caller.owner, adding="webhooks")
    webhooks = WebhookRepository(session)
    if webhooks.count(caller.owner) >= MOST_PER_OWNER:
        detail = f"{caller.owner} has {MOST_PER_OWNER} webhooks, which is as many as may be."
        raise Conflict("too_many_webhooks", detail, "Delete one that is not needed.")
    row = WebhookTable(
        id=new_id("whk"),
        owner=caller.owner,
        url=wanted.url,
        events=list(dict.fromkeys(wanted.events)),
        secret=f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}",
        created_at=datetime.now(UTC),
    )
    webhooks.add(row)
    return row


def find(session: Session, id: str, caller: Caller) -> WebhookTable:
    """A webhook that must exist for this caller."""
    row = WebhookRepository(session).get(id, only=caller.only) if is_id(id, "whk") else None
    if row is None:
        raise not_found("webhook", id)
    return row


def page(session: Session, caller: Caller, *, limit: int, before: str | None) -> list[WebhookTable]:
    """Webhooks that the caller sees, newest first, older than the id `before`."""
    return WebhookRepository(session).page(limit=limit, before=before, only=caller.only)


def delete(session: Session, id: str, caller: Caller) -> None:
    """Forget a webhook; what is not delivered to it yet never is."""
    WebhookRepository(session).delete(find(session, id, caller))


def deliveries(
    session: Session, id: str, caller: Caller, *, limit: int, before: str | None
) -> list[WebhookDeliveryTable]:
    """What was to be delivered to a webhook, newest first, older than the id `before`."""
    webhook = find(session, id, caller)
    return WebhookRepository(session).deliveries(webhook.id, limit=limit, before=before)


def redeliver(session: Session, id: str, delivery_id: str, caller: Caller) -> WebhookDeliveryTable:
    """Send it again now, whatever came of it before, under the same event id; with all its attempts."""
    webhook = find(session, id, caller)
    webhooks = WebhookRepository(session)
    row = webhooks.lock_delivery(webhook.id, delivery_id) if is_id(delivery_id, "dlv") else None
    if row is None:
        detail = f"The webhook has no delivery {delivery_id!r}."
        raise NotFound("unknown_delivery", detail, f"List what there is with GET /v1/webhooks/{webhook.id}/deliveries.")
    if webhook.disabled_at is not None:
        detail = "The webhook is disabled: it answered 410 Gone."
        raise Conflict("webhook_disabled", detail, "Delete it and add it anew.")
    webhooks.put_first(row)
    return row
