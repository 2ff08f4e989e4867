"""Webhooks over HTTP."""

from fastapi import APIRouter, Request, Response, status
from sqlalchemy.orm import Session

from app.http import UNCHANGED, send_json
from app.idempotency.once import Answer, JustOnce
from app.paging import Paging
from app.security import Authenticated
from app.state import Parts
from app.webhooks import service
from app.webhooks.schemas import DeliveryOut, DeliveryPage, NewWebhook, WebhookMade, WebhookOut, WebhookPage

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.post("", status_code=status.HTTP_201_CREATED, response_model=WebhookMade)
def add_webhook(wanted: NewWebhook, parts: Parts, once: JustOnce) -> Response:
    """Have events POSTed to an address, signed as Standard Webhooks says. The secret is shown here and never again."""

    def work(session: Session) -> Answer:
        allowed = parts.settings.webhook_private_hosts
        row = service.add(session, wanted, once.caller, private_allowed=allowed)
        headers = {"Location": f"/v1/webhooks/{row.id}"}
        return Answer.of(WebhookMade.of(row), status=status.HTTP_201_CREATED, headers=headers)

    return once.do(work)


@router.get("", response_model=WebhookPage, responses=UNCHANGED)
def list_webhooks(parts: Parts, caller: Authenticated, page: Paging) -> Response:
    """Webhooks, newest first."""
    with parts.database.reading() as session:
        rows = service.page(session, caller, limit=page.rows, before=page.after)
    return page.answer(WebhookPage, [WebhookOut.of(row) for row in rows])


@router.get("/{webhook_id}", response_model=WebhookOut, responses=UNCHANGED)
def get_webhook(webhook_id: str, parts: Parts, caller: Authenticated, request: Request) -> Response:
    """One webhook."""
    with parts.database.reading() as session:
        row = service.find(session, webhook_id, caller)
    return send_json(request, WebhookOut.of(row))


@router.delete("/{webhook_id}", status_code=status.HTTP_204_NO_CONTENT)
def delete_webhook(webhook_id: str, parts: Parts, caller: Authenticated) -> None:
    """Forget a webhook and its deliveries; what is not delivered yet never is."""
    with parts.database.transaction() as session:
        service.delete(session, webhook_id, caller)


@router.get("/{webhook_id}/deliveries", response_model=DeliveryPage, responses=UNCHANGED)
def list_deliveries(webhook_id: str, parts: Parts, caller: Authenticated, page: Paging) -> Response:
    """What was sent or is to be, newest first, and how the last attempt of each went. Kept for 30 days."""
    with parts.database.reading() as session:
        rows = service.deliveries(session, webhook_id, caller, limit=page.rows, before=page.after)
    return page.answer(DeliveryPage, [DeliveryOut.of(row) for row in rows])


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=DeliveryOut,
)
def redeliver(webhook_id: str, delivery_id: str, once: JustOnce) -> Response:
    """Send a delivery again now, whatever came of it, with the same `webhook-id` and body."""

    def work(session: Session) -> Answer:
        row = service.redeliver(session, webhook_id, delivery_id, once.caller)
        return Answer.of(DeliveryOut.of(row), status=status.HTTP_202_ACCEPTED)

    return once.do(work)
