"""The thresholds that a run's analyses and win rates are made with."""

import dagster as dg

from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.squeeze.signals import SignalSettings
from cryptopattern_pipelines.squeeze.win_rates import WinRateSettings


class Analysis(dg.ConfigurableResource):
    """Thresholds of the settings."""

    liquidation_dominance_threshold: float = 70.0
    volume_spike_threshold: float = 50.0
    confidence_threshold: float = 75.0

    @classmethod
    def of(cls, settings: Settings) -> "Analysis":
        """The thresholds of the settings."""
        return cls(
            liquidation_dominance_threshold=settings.liquidation_dominance_threshold,
            volume_spike_threshold=settings.volume_spike_threshold,
            confidence_threshold=settings.confidence_threshold,
        )

    def signals(self) -> SignalSettings:
        """What signals and analyses are made with."""
        return SignalSettings(
            dominance_threshold=self.liquidation_dominance_threshold,
            volume_spike_threshold=self.volume_spike_threshold,
            confidence_threshold=self.confidence_threshold,
        )

    def win_rates(self) -> WinRateSettings:
        """What win rates are counted with."""
        return WinRateSettings()
