"""One hour of 500 symbols from two venues, under their real limits: how near to what the limits alone allow.

The venues are a replay server in a process of its own, which keeps the documented limits and answers 80 ms late. The
rival is not a program but the limits: the time at which the last question may be sent when nothing else takes time.
It takes over ten minutes, since Binance allows 1,000 statistics in five minutes and an hour of 500 symbols has 2,500.
"""

import multiprocessing
import time
from datetime import timedelta
from math import ceil
from multiprocessing.connection import Connection

from cryptopattern_pipelines.market.live import LiveSource
from cryptopattern_tests.benchmarks._memory import peak_megabytes
from cryptopattern_tests.benchmarks.figure import Figure
from cryptopattern_tests.replay.limits import Limit, all_limits
from cryptopattern_tests.replay.server import Query, serving
from cryptopattern_tests.replay.world import World

_SYMBOLS = 500
_LATENCY = 0.08


def run(symbols: int = _SYMBOLS) -> list[Figure]:
    """Seconds and megabytes; and questions that the venues refused, of which there should be none."""
    world = World(tuple(f"C{number}X" for number in range(symbols)), hours=1)
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    venues = spawn.Process(target=_serve, args=(world, theirs))
    venues.start()
    url = ours.recv()
    answer, place = spawn.Pipe()
    client = spawn.Process(target=_ask, args=(world, url, place))
    client.start()
    seconds, megabytes, rows, problems = answer.recv()
    client.join()
    ours.send("done")
    asked, refused = ours.recv()
    venues.join()
    bound = limit_bound(asked)
    what = f"live: an hour of {symbols} symbols of Binance and OKX, {len(asked):,} questions"
    if rows != {"candles": 4 * symbols, "metrics": 2 * symbols}:
        raise AssertionError(f"rows are missing: {rows}, {problems}")
    return [
        Figure(
            f"{what}: time, against the limits alone",
            seconds,
            bound,
            "seconds",
            less_is_better=True,
            ratio_mark=1 / 1.5,
        ),
        Figure(f"{what}: largest memory", megabytes, None, "MB", less_is_better=True, mark=400),
        Figure(f"{what}: refused by the venues", float(refused), None, "questions", less_is_better=True),
    ]


def limit_bound(asked: list[tuple[str, Query]]) -> float:
    """Seconds until the last of these questions may be sent, each quota being used up as its intervals begin."""
    return max((_bound(limit, asked) for limit in all_limits()), default=0.0)


def _bound(limit: Limit, asked: list[tuple[str, Query]]) -> float:
    weights: dict[object, int] = {}
    for path, query in asked:
        key = limit.key(path, query)
        if key is not None:
            weights[key] = weights.get(key, 0) + limit.weight(path, query)
    return max(((ceil(weight / limit.most) - 1) * limit.seconds for weight in weights.values()), default=0.0)


def _serve(world: World, pipe: Connection) -> None:
    with serving(world.binance(), world.okx(), keepers=all_limits()) as server:
        server.now, server.latency = world.now, _LATENCY
        pipe.send(server.url)
        pipe.recv()
        pipe.send((server.asked, server.refused))


def _ask(world: World, url: str, pipe: Connection) -> None:
    source = LiveSource(
        binance_spot_url=url,
        binance_usdm_url=url,
        okx_url=url,
        venues=("binance", "okx"),
        seed=1,
        wall=world.now.to_pydatetime,
    )
    started = time.perf_counter()
    candles = source.candles(world.coins, world.end - timedelta(hours=1), world.end)
    metrics = source.derivatives_metrics(world.coins, world.end - timedelta(hours=1), world.end)
    source.realised_liquidations(world.coins, world.end - timedelta(hours=1), world.end)
    seconds = time.perf_counter() - started
    megabytes = peak_megabytes()
    pipe.send((seconds, megabytes, {"candles": len(candles), "metrics": len(metrics)}, list(map(str, source.problems))))
