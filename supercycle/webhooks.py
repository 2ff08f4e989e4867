"""What a client may ask about webhooks: the service's POSTs to an address of one's own when something happens."""

from collections.abc import Iterator, Sequence

from supercycle.transport import Json, Transport, segment


class Webhooks:
    """The part of a client that is about webhooks."""

    _transport: Transport

    def add_webhook(self, url: str, events: Sequence[str] | None = None, *, idempotency_key: str | None = None) -> Json:
        """Have events sent to `url`, all or those named, e.g. `["job.failed"]`.

        Its `secret` is in this answer alone; the receiver verifies signatures with it.
        """
        body: Json = {"url": url} if events is None else {"url": url, "events": list(events)}
        return self._transport.post("/v1/webhooks", json=body, idempotency_key=idempotency_key)

    def webhooks(self) -> list[Json]:
        """Every webhook, newest first, without its secret."""
        return list(self._transport.pages("/v1/webhooks", params={}))

    def webhook(self, webhook_id: str) -> Json:
        """One webhook, without its secret."""
        return self._transport.get_json(_path(webhook_id))

    def delete_webhook(self, webhook_id: str) -> None:
        """Send nothing there any more, not even what waits."""
        self._transport.delete(_path(webhook_id))

    def deliveries(self, webhook_id: str, *, limit: int | None = None) -> Iterator[Json]:
        """What was sent or is to be, newest first, at most `limit`, each with how its last attempt went."""
        return self._transport.pages(f"{_path(webhook_id)}/deliveries", params={}, limit=limit)

    def redeliver(self, webhook_id: str, delivery_id: str, *, idempotency_key: str | None = None) -> Json:
        """Have a delivery sent again now, whatever came of it, under the same `webhook-id`."""
        path = f"{_path(webhook_id)}/deliveries/{segment(delivery_id)}/redeliver"
        return self._transport.post(path, idempotency_key=idempotency_key)


def _path(webhook_id: str) -> str:
    return f"/v1/webhooks/{segment(webhook_id)}"
