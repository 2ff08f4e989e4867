"""Commands on webhooks."""

from typing import Annotated

import typer

from supercycle.cli.options import AsJson, Limit, connect, refuse_empty
from supercycle.cli.output import print_facts, print_json, print_table, say
from supercycle.transport import Json

app = typer.Typer(help="Webhooks: have events POSTed to an address of yours.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK", callback=refuse_empty, help="The webhook's id, whk_…")]
DeliveryId = Annotated[str, typer.Argument(metavar="DELIVERY", callback=refuse_empty, help="The delivery's id, dlv_…")]


@app.command()
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where to: https, a public address.")],
    events: Annotated[
        list[str] | None, typer.Option("--event", help="E.g. job.failed; may be repeated. [default: every event]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a webhook and print its secret, which is shown only now."""
    made = connect(context).add_webhook(url, events or None)
    if as_json:
        print_json(made)
        return
    print_facts([(name, made[name]) for name in ("id", "url", "events", "secret")])
    say("keep the secret: the receiver verifies with it, and it is not shown again")


@app.command(name="list")
def list_webhooks(context: typer.Context, as_json: AsJson = False) -> None:
    """List webhooks, newest first."""
    webhooks = connect(context).webhooks()
    if as_json:
        print_json(webhooks)
        return
    rows = [[one["id"], one["url"], one["events"], one["created_at"], one["disabled_at"]] for one in webhooks]
    print_table(("id", "url", "events", "created", "disabled"), rows)


@app.command()
def delete(context: typer.Context, webhook_id: WebhookId, as_json: AsJson = False) -> None:
    """Delete a webhook; nothing is sent there any more, not even what waits."""
    client = connect(context)
    found = client.webhook(webhook_id)
    client.delete_webhook(webhook_id)
    if as_json:
        print_json(found)
    else:
        say(f"{found['url']} ({webhook_id}) deleted")


@app.command()
def deliveries(context: typer.Context, webhook_id: WebhookId, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List what was sent there or is to be, newest first, and how the last attempt of each went."""
    found = list(connect(context).deliveries(webhook_id, limit=limit))
    if as_json:
        print_json(found)
        return
    rows = [[one["id"], one["type"], one["state"], one["attempts"], _last(one), one["next_at"]] for one in found]
    print_table(("id", "event", "state", "attempts", "last answer", "next"), rows)


@app.command()
def redeliver(context: typer.Context, webhook_id: WebhookId, delivery_id: DeliveryId, as_json: AsJson = False) -> None:
    """Send a delivery again now, whatever came of it."""
    delivery = connect(context).redeliver(webhook_id, delivery_id)
    if as_json:
        print_json(delivery)
    else:
        say(f"{delivery['type']} ({delivery_id}) is sent again")


def _last(delivery: Json) -> object:
    return delivery["error"] or delivery["response_status"]
