"""The source that the settings ask for."""

from pathlib import Path

import pytest

from cryptopattern_pipelines.market.archive import ArchiveSource
from cryptopattern_pipelines.market.archive_then_live import ArchiveThenLive
from cryptopattern_pipelines.market.live import LiveSource
from cryptopattern_pipelines.resources.market import Market
from cryptopattern_pipelines.resources.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    ("name", "kind"), [("live", LiveSource), ("archive", ArchiveSource), ("archive+live", ArchiveThenLive)]
)
def test_the_settings_name_the_source(tmp_path: Path, name: str, kind: type) -> None:
    settings = load_settings(data=tmp_path, market_source=name, archive=str(tmp_path))
    assert isinstance(Market.of(settings).open(), kind)


def test_symbols_are_coins_or_the_most_traded_ones(tmp_path: Path) -> None:
    assert Market.of(load_settings(data=tmp_path, symbols="btcusdt, MATIC, top:50")).symbols == ["BTC", "POL", "top:50"]
    with pytest.raises(SettingsError, match="top:none"):
        load_settings(data=tmp_path, symbols="top:none")
