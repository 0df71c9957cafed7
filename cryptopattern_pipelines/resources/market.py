"""Where a run's market data comes from: the venues themselves, the archive, or both."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import dagster as dg

from cryptopattern_pipelines.market.archive import ArchiveSource
from cryptopattern_pipelines.market.archive_then_live import ArchiveThenLive
from cryptopattern_pipelines.market.listings import ListingSource
from cryptopattern_pipelines.market.live import VENUES, LiveSource
from cryptopattern_pipelines.market.transport import Raw, Sent
from cryptopattern_pipelines.resources.settings import Settings, load_settings
from cryptopattern_pipelines.storage.raw_answers import RawAnswer, keep_raw_answers


class Market(dg.ConfigurableResource[Any]):
    """The source of candles, derivatives metrics and realised liquidations, and the symbols to ask it for."""

    source: str
    symbols: list[str]
    archive: str
    archive_cache: str
    binance_spot_url: str
    binance_usdm_url: str
    okx_url: str
    gate_url: str = "https://api.gateio.ws"
    coinglass_url: str = "https://open-api-v4.coinglass.com"
    venues: list[str] = list(VENUES)  # noqa: RUF012 (a pydantic field)
    raw_answers: str = ""

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
            gate_url=settings.gate_url,
            coinglass_url=settings.coinglass_url,
            venues=list(settings.venues),
            raw_answers=settings.store_root if settings.keep_raw_answers else "",
        )

    def open(self, tell: Callable[[Sent], None] | None = None) -> ListingSource:
        """The source itself; `tell` is handed every question that it sends to a venue."""
        if self.source == "live":
            return self._live(tell)
        archive = ArchiveSource(self.archive, cache=self.archive_cache)
        return archive if self.source == "archive" else ArchiveThenLive(archive, self._live(tell))

    def _live(self, tell: Callable[[Sent], None] | None) -> LiveSource:
        return LiveSource(
            binance_spot_url=self.binance_spot_url,
            binance_usdm_url=self.binance_usdm_url,
            okx_url=self.okx_url,
            gate_url=self.gate_url,
            coinglass_url=self.coinglass_url,
            venues=self.venues,
            # Not a field: the UI shows a resource's fields.
            coinglass_key=load_settings().coinglass_api_key.get_secret_value(),
            keep=self._keep if self.raw_answers else None,
            tell=tell,
        )

    def _keep(self, answers: list[Raw], start: datetime, end: datetime) -> None:
        """Keep the answers to a question for the hours from `start` on."""
        kept = (
            RawAnswer(
                raw.host,
                raw.path,
                raw.params,
                raw.attempt,
                raw.response.status_code,
                raw.response.headers.get("Date", ""),
                raw.response.text,
            )
            for raw in answers
        )
        keep_raw_answers(self.raw_answers, kept, start)
