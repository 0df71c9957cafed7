"""`cryptopattern alerts`: what the rules tell, what would be sent, and whether addresses work."""

import json
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.markup import escape

from cryptopattern_pipelines.commands.options import MOMENT
from cryptopattern_pipelines.resources.settings import load_settings


@click.command()
@click.option("--dry-run", is_flag=True, help="Print what these rules would have told; nothing is sent or written.")
@click.option("--from", "start", type=MOMENT, help="With --dry-run: first hour; else a day ago, UTC.")
@click.option("--to", "end", type=MOMENT, help="With --dry-run: hour before which to stop, not included; else now.")
@click.option("--all", "held_too", is_flag=True, help="With --dry-run: what cool-down and quiet hours hold back, too.")
@click.option("--test", is_flag=True, help="Send one message to each address of the rules.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an alert, or an address, a line each.")
def alerts(  # noqa: PLR0917 (one argument an option)
    dry_run: bool, start: datetime | None, end: datetime | None, held_too: bool, test: bool, as_json: bool
) -> None:
    """Try the rules for alerts (alerts.toml) on what is in the store, or their addresses.

    \b
    cryptopattern alerts --dry-run
    cryptopattern alerts --dry-run --from 2024-08-01 --to 2024-08-08 --json | jq .title
    cryptopattern alerts --test
    """
    if dry_run == test:
        raise click.UsageError("say --dry-run to see what would be sent, or --test to try the addresses")
    if test:
        _test(as_json=as_json)
        return
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    last = end.replace(tzinfo=UTC, minute=0) if end else now
    first = start.replace(tzinfo=UTC, minute=0) if start else last - timedelta(days=1)
    if first >= last:
        raise click.UsageError("--from must be before --to, which is not included")
    _dry_run(first, last, held_too=held_too, as_json=as_json)


def _dry_run(start: datetime, end: datetime, *, held_too: bool, as_json: bool) -> None:
    from cryptopattern_pipelines import alerting
    from cryptopattern_pipelines.automation.partitions import Window
    from cryptopattern_pipelines.resources.alert_rules import AlertRules
    from cryptopattern_pipelines.resources.stores import Store
    from cryptopattern_pipelines.storage.rows import records

    settings = load_settings()
    book = AlertRules.of(settings).read()
    rows = alerting.alerts_of(Store.of(settings), Window(start, end), book.rules)
    console, told = Console(), 0
    for row, as_text in zip(rows.to_dict("records"), records(rows), strict=True):
        told += row["status"] == "NEW"
        if row["status"] != "NEW" and not held_too:
            continue
        title, body = alerting.message(row, alerting.link_to(settings, row))
        if as_json:
            to = [alerting.label_of(each) for each in book.addresses.get(row["rule"], ())]
            click.echo(json.dumps({**as_text, "title": title, "message": body, "to": to}))
        else:
            shown = escape(f"{title}\n{body}\n")
            console.print(f"[bold]{row['status']}[/]  {shown}", highlight=False, soft_wrap=True)
    if not as_json:
        where = "by the default rule, which sends nothing" if not book.told else f"by {len(book.rules)} rules"
        console.print(
            f"{told} alerts {where}; {len(rows) - told} held back by cool-down or quiet hours (--all shows them)",
            highlight=False,
        )


def _test(*, as_json: bool) -> None:
    from cryptopattern_pipelines import alerting
    from cryptopattern_pipelines.resources.alert_rules import AlertRules

    rules = AlertRules.of(load_settings())
    book = rules.read()
    addresses = dict.fromkeys(each for of_rule in book.addresses.values() for each in of_rule)
    if not addresses:
        addresses = dict.fromkeys(rules.addresses)
    if not addresses:
        raise click.ClickException("there is no address: set CRYPTOPATTERN_NOTIFY, or `to` in a rule")
    failed = 0
    for address in addresses:
        label = alerting.label_of(address)
        reason = alerting.send(address, "cryptopattern: a test", "Alerts come to this address.")
        failed += reason is not None
        if as_json:
            click.echo(json.dumps({"address": label, "delivered": reason is None, "reason": reason}))
        else:
            click.echo(f"{label}: {reason or 'delivered'}")
    if failed:
        raise click.exceptions.Exit(1)
