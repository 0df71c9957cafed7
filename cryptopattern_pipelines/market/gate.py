"""Gate's public futures interface: what was closed by force in USDT perpetuals.

Documentation: https://www.gate.com/docs/developers/apiv4/ (cited by the heading), and the vendor's own client,
https://github.com/gateio/gateapi-python/blob/master/docs/FuturesApi.md. Times are seconds UTC, sizes are contracts.

Limits ("Frequency limit rule"): every public endpoint 200 requests in 10 seconds by address.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cryptopattern_pipelines.market.answers import EITHER, NUMBER, TEXT, AnswerError, Form, VenueError, numbers
from cryptopattern_pipelines.market.limits import Cost, Quota
from cryptopattern_pipelines.market.liquidations import Liquidations, hourly_rows, no_orders, untold
from cryptopattern_pipelines.market.source import Problem, SymbolError
from cryptopattern_pipelines.market.symbols import parse
from cryptopattern_pipelines.market.transport import Host, gathered

VENUE = "gate"

_ORDERS = "/api/v4/futures/usdt/liq_orders"
_CONTRACTS = "/api/v4/futures/usdt/contracts"
_LIMIT = 1000
_QUOTA = Quota(200, 10)

# "Query liquidation order history": `size` is of the position, `order_size` of the order, `left` its unfilled rest.
_ORDERS_FORM = Form(
    {"time": NUMBER, "contract": TEXT, "size": EITHER, "fill_price": TEXT},
    others=(
        "order_size", "order_price", "left", "leverage", "margin", "entry_price", "liq_price", "mark_price", "order_id",
    ),
)  # fmt: skip


# By path, which column of our tables a field becomes; `time` is when, in seconds.
FIELDS: dict[str, dict[Any, str]] = {_ORDERS: {"time": "time"}}


def costs(path: str, params: Mapping[str, str | int]) -> list[Cost]:
    """What a request takes of Gate's limits."""
    return [Cost(path, _QUOTA)]


async def liquidations(host: Host, coins: set[str], hours: pd.DatetimeIndex) -> Liquidations:
    """Every forced order of these coins' USDT perpetuals, by hours: complete, as far as the documentation says.

    One question an hour serves all coins, since `contract` needn't be given; the span asked for may be an hour at
    most, and an answer holds 1,000 orders at most: a full one is asked for again in halves. How far back the list
    reaches isn't documented: an hour in which not one order of the whole market is told counts as not told. USD are
    contracts x `quanto_multiplier` x the average price at which the order was filled; what it left unfilled, and was
    taken over by the insurance fund or other traders, is left out.

    Raises:
        VenueError: the contracts could not be had.
    """
    contracts = await _contracts(host, coins)
    asked = await gathered([_orders(host, int(hour.timestamp()), int(hour.timestamp()) + 3600) for hour in hours])
    orders, told, problems, empty = [no_orders()], [], [], []
    for hour, answer in zip(hours, asked, strict=True):
        if isinstance(answer, VenueError):
            problems.append(Problem(VENUE, "perpetual", "", f"hour {hour:%Y-%m-%d %H:%M}: {answer}", answer.passing))
        elif answer.empty:
            empty.append(hour)
        else:
            found = answer.merge(contracts, on="contract")
            filled = (found["size"].abs() - found["left"].abs()).clip(lower=0)
            orders.append(
                pd.DataFrame(
                    {
                        "time": pd.to_datetime(found["time"], unit="s", utc=True).astype("datetime64[us, UTC]"),
                        "symbol": found["symbol"],
                        "long": found["long"],
                        "usd": filled * found["multiplier"] * found["fill_price"],
                    }
                )
            )
            told.append(contracts.loc[contracts["since"] <= hour, ["symbol"]].assign(hour=hour))
    if empty:
        reason = f"the whole market's list is empty from {empty[0]:%Y-%m-%d %H:%M} on, so it doesn't reach there"
        recent = host.wall() - empty[-1] < pd.Timedelta(days=1)
        problems.append(
            untold(VENUE, contracts["contract"].tolist(), len(empty) * len(contracts), reason, passing=recent)
        )
    none = contracts.loc[:, ["symbol"]].head(0).assign(hour=hours[:0])
    rows = hourly_rows(pd.concat(orders), pd.concat([none, *told]), VENUE, "complete")
    return Liquidations(rows, problems)


def _once(orders: list[Any]) -> list[Any]:
    """An answer's orders, once each where the answer has every one of them several times over.

    Orders bear no number, and two of one second may be alike; but not each and every one.
    """
    seen = Counter(json.dumps(order, sort_keys=True) for order in orders)
    if len(orders) < 4 or len(set(seen.values())) != 1 or len(seen) == len(orders):
        return orders
    return [json.loads(order) for order in seen]


async def _contracts(host: Host, coins: set[str]) -> pd.DataFrame:
    """`contract`, `symbol`, `multiplier` (coins a contract) and `since` of these coins' contracts.

    "Query all futures contracts": `quanto_multiplier` is text, `create_time` seconds.
    """
    content = (await host.get(_CONTRACTS)).content
    if not isinstance(content, list) or not content:
        raise AnswerError(f"{host.name} answered {str(content)[:200]}: its interface may have changed, report it")
    Form({"name": TEXT, "quanto_multiplier": TEXT, "create_time": NUMBER}).check(content, host.name)
    found = []
    for each in content:
        try:
            coin = parse(each["name"]).coin
        except SymbolError:
            continue  # a name that no coin of ours has
        if coin not in coins:
            continue
        try:
            [size] = numbers([each["quanto_multiplier"]])
            since = pd.Timestamp(int(each["create_time"]), unit="s", tz="UTC")
        except (ValueError, OverflowError):
            size = np.nan
        # A size of 0 is that of contracts that are counted in dollars, of which there is none in USDT.
        if not size >= 0:
            raise AnswerError(f"{host.name} tells size or age of {each['name']} as what is no number: report it")
        if size > 0:
            found.append((each["name"], coin, size, since))
    return pd.DataFrame(found, columns=["contract", "symbol", "multiplier", "since"]).drop_duplicates("contract")


async def _orders(host: Host, begin: int, stop: int) -> pd.DataFrame:
    """The whole market's forced orders in [begin, stop): `time`, `contract`, `size`, `left`, `fill_price`, `long`."""
    # Whether `to` is included isn't documented: a second more is asked for, and cut off.
    content = (await host.get(_ORDERS, **{"from": begin, "to": stop, "limit": _LIMIT})).content
    if not isinstance(content, list):
        raise AnswerError(f"{host.name} answered {str(content)[:200]}: its interface may have changed, report it")
    host.new_fields |= {(_ORDERS, str(field)) for field in _ORDERS_FORM.check(content, host.name)}
    content = _once(content)
    # Full; or full by another limit than the documented one.
    if content and len(content) % 100 == 0:
        if stop - begin <= 1:
            raise VenueError(f"{host.name} has more orders in the second {begin} than an answer holds", passing=False)
        middle = (begin + stop) // 2
        halves = [await _orders(host, begin, middle), await _orders(host, middle, stop)]
        return pd.concat(halves, ignore_index=True)
    try:
        found = pd.DataFrame(
            {
                "time": np.array([int(each["time"]) for each in content], dtype="int64"),
                "contract": np.array([each["contract"] for each in content], dtype="object"),
                "size": numbers([each.get("order_size", each["size"]) for each in content]),
                "left": numbers([each.get("left", 0) for each in content]),
                "fill_price": numbers([each["fill_price"] for each in content]),
                # The position's size: positive for a long.
                "long": numbers([each["size"] for each in content]) > 0,
            }
        )
        if found.isna().any(axis=None):
            raise ValueError("empty")
    except (ValueError, TypeError, OverflowError):
        raise AnswerError(f"{host.name} answered {_ORDERS} with what is no number: report it") from None
    return found[(found["time"] >= begin) & (found["time"] < stop)]
