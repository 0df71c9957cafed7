"""Where a run's market data comes from: the venues themselves, the archive, or both."""

import dagster as dg

from cryptopattern_pipelines.market.archive import ArchiveSource
from cryptopattern_pipelines.market.archive_then_live import ArchiveThenLive
from cryptopattern_pipelines.market.listings import ListingSource
from cryptopattern_pipelines.market.live import LiveSource
from cryptopattern_pipelines.resources.settings import Settings


class Market(dg.ConfigurableResource):
    """The source of candles, derivatives metrics and realised liquidations, and the symbols to ask it for."""

    source: str
    symbols: list[str]
    archive: str
    archive_cache: str
    binance_spot_url: str
    binance_usdm_url: str
    okx_url: str

    @classmethod
    def of(cls, settings: Settings) -> "Market":
        """The source of the settings."""
        return cls(
            source=settings.market_source,
            symbols=list(settings.symbols),
            archive=settings.archive,
            archive_cache=str(settings.data / "archive"),
            binance_spot_url=settings.binance_spot_url,
            binance_usdm_url=settings.binance_usdm_url,
            okx_url=settings.okx_url,
        )

    def open(self) -> ListingSource:
        """The source itself."""
        if self.source == "live":
            return self._live()
        archive = ArchiveSource(self.archive, cache=self.archive_cache)
        return archive if self.source == "archive" else ArchiveThenLive(archive, self._live())

    def _live(self) -> LiveSource:
        return LiveSource(
            binance_spot_url=self.binance_spot_url, binance_usdm_url=self.binance_usdm_url, okx_url=self.okx_url
        )
