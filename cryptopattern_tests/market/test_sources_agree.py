"""An hour filled live equals the same hour filled from the archive later: snapshots of both sources, value for value.

The venue's server here answers with the archive's own rows, each in the form of its REST interface, so what is compared
is all that lies between an answer or a file and a snapshot: paging, units, times, what was known by when.

What can't be equal, and is left out of the comparison:

- the liquidations (`long_liquidated_24h_usd`, `short_liquidated_24h_usd`, `liquidation_venues`, and the flag
  `liquidations_incomplete`): Binance's REST interface tells none, and the feeds that tell them live are other venues'.

And what is equal only because one venue answers here: live hours have OKX as well, which the archive has not, so where
both are followed every figure over venues differs by it; `venues` says so in each row.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from cryptopattern_pipelines.market.archive import ArchiveSource
from cryptopattern_pipelines.market.live import LiveSource
from cryptopattern_pipelines.market.snapshots import CANDLES_LOOKBACK, LOOKBACK, exchange_snapshots
from cryptopattern_pipelines.market.source import MarketSource
from cryptopattern_pipelines.storage.schemas import EXCHANGE_SNAPSHOTS, REALISED_LIQUIDATIONS
from cryptopattern_tests.integration.installation import SAMPLES
from cryptopattern_tests.replay import BinanceReplies, OkxReplies, serving

OF_OTHER_FEEDS = ["long_liquidated_24h_usd", "short_liquidated_24h_usd", "liquidation_venues"]
INCOMPLETE = "liquidations_incomplete"
SYMBOLS = ["BTC", "SOL"]
DAY = timedelta(days=1)


def snapshots_of(source: MarketSource, start: datetime, end: datetime, *, liquidations: bool) -> pd.DataFrame:
    rows = exchange_snapshots(
        source.candles(SYMBOLS, start - CANDLES_LOOKBACK, end),
        source.derivatives_metrics(SYMBOLS, start - LOOKBACK, end),
        source.realised_liquidations(SYMBOLS, start - DAY, end) if liquidations else REALISED_LIQUIDATIONS.empty(),
        start,
        end,
    )
    EXCHANGE_SNAPSHOTS.pandera.validate(rows)
    return rows


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    flags = [",".join(flag for flag in told.split(",") if flag != INCOMPLETE) for told in rows["quality_flags"]]
    return rows.drop(columns=OF_OTHER_FEEDS).assign(quality_flags=pd.array(flags, dtype="str"))


@pytest.fixture
def sample() -> tuple[Path, datetime]:
    """The bundled archive, and where it ends."""
    return SAMPLES, datetime(2025, 1, 30, tzinfo=UTC)


@pytest.fixture
def real(shared: Path) -> tuple[Path, datetime]:
    """Real history with snapshots each five minutes, and where those end."""
    return shared / "market" / "archive", datetime(2024, 8, 18, tzinfo=UTC)


@pytest.fixture(params=["sample", "real"])
def history(request: pytest.FixtureRequest) -> tuple[Path, datetime]:
    history: tuple[Path, datetime] = request.getfixturevalue(request.param)
    return history


def test_live_and_archive_make_the_same_snapshots(history: tuple[Path, datetime]) -> None:
    archive, end = history
    start = end - 2 * DAY
    days = pd.date_range(start - LOOKBACK - 2 * DAY, end, freq="D")
    replies = BinanceReplies.archived(
        archive, [f"{symbol}USDT" for symbol in SYMBOLS], sorted({f"{day:%Y-%m}" for day in days})
    )
    with serving(replies, OkxReplies()) as server:
        server.now = pd.Timestamp(end + timedelta(minutes=5))
        source = LiveSource(binance_spot_url=server.url, binance_usdm_url=server.url, okx_url=server.url, seed=1)
        live = snapshots_of(source, start, end, liquidations=False)
    archived = snapshots_of(ArchiveSource(archive), start, end, liquidations=True)
    pd.testing.assert_frame_equal(comparable(live), comparable(archived), check_exact=True)
    # There was something to compare.
    assert len(live) == len(SYMBOLS) * 48
    compared = comparable(live)
    assert compared[compared["symbol"] == "BTC"].notna().all().all()
