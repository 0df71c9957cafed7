"""What is kept of rows that were asked for again."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from cryptopattern_pipelines.market.source import Problem, with_earlier
from cryptopattern_pipelines.storage.schemas import DERIVATIVES_METRICS, REALISED_LIQUIDATIONS

TABLE = REALISED_LIQUIDATIONS
HOUR = datetime(2024, 3, 1, tzinfo=UTC)


def rows(*given: tuple[str, str, float]) -> pd.DataFrame:
    return REALISED_LIQUIDATIONS.conform(
        {"hour": HOUR + n * timedelta(0), "symbol": symbol, "venue": venue, "span_hours": 1,
         "long_liquidated_usd": usd, "short_liquidated_usd": 0.0, "completeness": "complete"}
        for n, (symbol, venue, usd) in enumerate(given)
    )  # fmt: skip


def amounts(frame: pd.DataFrame) -> dict[tuple[str, str], float]:
    return frame.set_index(["symbol", "venue"])["long_liquidated_usd"].to_dict()


def test_a_venue_that_fails_the_second_time_loses_nothing_that_it_brought_the_first_time() -> None:
    before, now = rows(("BTC", "gate", 1.0), ("BTC", "okx", 2.0)), rows(("BTC", "gate", 5.0))
    problems = [Problem("okx", "perpetual", "", "did not answer")]
    assert amounts(with_earlier(now, before, problems, TABLE, ["BTC"])) == {
        ("BTC", "gate"): 5.0,
        ("BTC", "okx"): 2.0,
    }
    nothing = REALISED_LIQUIDATIONS.empty()
    assert amounts(with_earlier(nothing, before, problems, TABLE, ["BTC"])) == {("BTC", "okx"): 2.0}


def test_what_came_the_second_time_counts_before_what_came_the_first() -> None:
    before, now = rows(("BTC", "okx", 1.0), ("ETH", "okx", 2.0)), rows(("BTC", "okx", 5.0))
    kept = with_earlier(now, before, [Problem("okx", "", "ETH", "did not answer")], TABLE, ["BTC", "ETH"])
    assert amounts(kept) == {("BTC", "okx"): 5.0, ("ETH", "okx"): 2.0}
    assert kept["symbol"].tolist() == ["BTC", "ETH"]
    assert kept.dtypes.equals(before.dtypes)


def test_nothing_is_kept_of_venues_without_a_problem_nor_of_coins_that_are_followed_no_longer() -> None:
    before, now = rows(("BTC", "okx", 1.0), ("ETH", "gate", 2.0), ("OLD", "okx", 3.0)), rows()
    kept = with_earlier(now, before, [Problem("okx", "", "", "did not answer")], TABLE, ["BTC", "ETH"])
    assert amounts(kept) == {("BTC", "okx"): 1.0}
    new = [Problem("gate", "", "", "a new field", kind="new field")]
    assert with_earlier(now, before, new, TABLE, ["BTC", "ETH"]).empty


def test_a_value_that_did_not_come_the_second_time_stays_beside_those_that_did() -> None:
    def metrics(**told: float) -> pd.DataFrame:
        row = {"hour": HOUR, "symbol": "BTC", "venue": "okx", "instrument": "BTC-USDT-SWAP", **told}
        return DERIVATIVES_METRICS.conform([row])

    before, now = metrics(funding_rate=0.1, open_interest_base=5.0), metrics(funding_rate=0.2)
    problems = [Problem("okx", "perpetual", "", "open interest: did not answer")]
    [kept] = with_earlier(now, before, problems, DERIVATIVES_METRICS, None).to_dict("records")
    assert (kept["funding_rate"], kept["open_interest_base"]) == (0.2, 5.0)
