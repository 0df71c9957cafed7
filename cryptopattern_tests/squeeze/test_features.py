"""Features are scale-free, each symbol's own, and know nothing of what comes after their hour."""

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.squeeze.features import LOOKBACK, Features, features
from cryptopattern_pipelines.squeeze.grid import epoch_hour
from cryptopattern_pipelines.storage.schemas import SQUEEZE_ANALYSES
from cryptopattern_tests.squeeze.frames import claims, snapshots, utc, walk

START = utc("2024-01-01")
BACK = int(LOOKBACK.total_seconds() // 3600)
LENGTH = BACK + 60
FIRST = epoch_hour(START) + BACK


def market(symbols: str = "BTC ETH SOL") -> pd.DataFrame:
    frames = []
    for symbol in symbols.split():
        rng = np.random.default_rng(ord(symbol[0]))
        price = walk(ord(symbol[0]), LENGTH, start=float(ord(symbol[1])))
        frames.append(
            snapshots(
                START,
                {symbol: price},
                high_24h=price * 1.02,
                low_24h=price * 0.97,
                volume_24h_usd=rng.lognormal(10, 0.3, LENGTH),
                volume_change_24h_pct=rng.normal(0, 20, LENGTH),
                open_interest_change_24h_pct=rng.normal(0, 3, LENGTH),
                funding_rate=rng.normal(1e-4, 1e-4, LENGTH),
                funding_percentile=rng.uniform(0, 100, LENGTH),
                long_short_account_ratio=rng.lognormal(0, 0.1, LENGTH),
                taker_volume_ratio=rng.lognormal(0, 0.1, LENGTH),
                volume_venues="a:spot",
                account_ratio_venues="a",
            )
        )
    return pd.concat(frames, ignore_index=True)


def of(rows: pd.DataFrame, first: int = FIRST, last: int = FIRST + 60) -> Features:
    analysed = claims(START, {"BTC": ["SHORT_SQUEEZE"] * LENGTH}).assign(long_pct=30.0)
    return features(rows, SQUEEZE_ANALYSES.conform(analysed), first, last)


def test_every_feature_is_known_where_its_facts_are() -> None:
    found = of(market())
    assert found.scored.all()
    own = [name for name in found.names if not name.startswith("cluster")]
    btc = found.figures[:, 0][:, [found.names.index(name) for name in own]]
    assert np.isfinite(btc).all()
    assert (found.column("score")[:, 0] == 50).all()
    assert (found.column("long_share")[:, 0] == -20).all()


def test_prices_volumes_and_coins_may_be_counted_in_any_unit() -> None:
    rows = market()
    scaled = rows.copy()
    for column in ("average_price", "high_24h", "low_24h"):
        scaled[column] *= 1024.0
    scaled["volume_24h_usd"] *= 4096.0
    np.testing.assert_allclose(of(scaled).figures, of(rows).figures, rtol=1e-6, atol=1e-9)


def test_another_symbol_changes_no_feature_of_the_rest() -> None:
    few, more = of(market("BTC ETH")), of(market("ADA BTC ETH SOL"))
    np.testing.assert_array_equal(few.figures, more.figures[:, [1, 2]])


def test_an_hour_alone_is_the_same_hour_among_others() -> None:
    whole, alone = of(market()), of(market(), FIRST + 40, FIRST + 41)
    np.testing.assert_array_equal(alone.figures[0], whole.figures[40])


@pytest.mark.parametrize("hour", [0, 17, 59])
def test_what_comes_later_changes_nothing(hour: int) -> None:
    rows = market()
    later = rows["hour"] > START + pd.Timedelta(hours=BACK + hour)
    changed = rows.copy()
    figures = [name for name in rows.columns if not name.endswith("venues") and name not in ("hour", "symbol")]
    changed.loc[later, figures] *= 1.5
    np.testing.assert_array_equal(of(changed).figures[: hour + 1], of(rows).figures[: hour + 1])


def test_missing_facts_are_unknown_and_the_rest_stays() -> None:
    rows = market()
    bare = rows.assign(open_interest_change_24h_pct=np.nan, long_short_account_ratio=np.nan, taker_volume_ratio=np.nan)
    found, whole = of(bare), of(rows)
    for name in ("interest_24h", "interest_week", "accounts", "accounts_month", "takers_24h", "btc_interest_24h"):
        assert np.isnan(found.column(name)).all()
    for name in ("move_24h", "volatility_24h", "volume_month", "funding_rank"):
        np.testing.assert_array_equal(found.column(name), whole.column(name))


def test_a_venue_that_comes_or_goes_is_no_change_of_volume_or_of_accounts() -> None:
    rows = market("BTC")
    plain = of(rows)
    names = ["volume_month", "accounts_month"]
    # A second venue tells in three of the last hours, and has nine times the volume and other accounts.
    more = rows["hour"].isin([START + pd.Timedelta(hours=BACK + n) for n in (20, 21, 40)])
    louder = rows.assign(
        volume_24h_usd=rows["volume_24h_usd"].where(~more, 10 * rows["volume_24h_usd"]),
        long_short_account_ratio=rows["long_short_account_ratio"].where(~more, 3 * rows["long_short_account_ratio"]),
        volume_venues=rows["volume_venues"].where(~more, "a:spot,b:spot"),
        account_ratio_venues=rows["account_ratio_venues"].where(~more, "a,b"),
    )
    found = of(louder)
    for name in names:
        # What a month says of these two venues isn't known, and the other hours are what they were, or nearly so.
        assert np.isnan(found.column(name)[[20, 21, 40]]).all()
        others = np.delete(np.arange(60), [20, 21, 40])
        np.testing.assert_allclose(found.column(name)[others], plain.column(name)[others], atol=0.01)


def test_rows_from_before_there_was_a_column_of_venues_count_as_any() -> None:
    known = market("BTC")
    older = known.assign(volume_venues=None, account_ratio_venues=None)
    mixed = known.copy()
    mixed.loc[known["hour"] < START + pd.Timedelta(hours=BACK), ["volume_venues", "account_ratio_venues"]] = None
    np.testing.assert_array_equal(of(mixed).figures, of(known).figures)
    np.testing.assert_array_equal(of(older).figures, of(known).figures)
