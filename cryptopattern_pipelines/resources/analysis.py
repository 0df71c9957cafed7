"""The thresholds that a run's analyses, win rates and forecasts are made with."""

from typing import Any

import dagster as dg

from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_pipelines.squeeze.forecaster import TrainingSettings
from cryptopattern_pipelines.squeeze.outcomes import OutcomeSettings
from cryptopattern_pipelines.squeeze.signals import SignalSettings
from cryptopattern_pipelines.squeeze.win_rates import WinRateSettings


class Analysis(dg.ConfigurableResource[Any]):
    """Thresholds of the settings."""

    liquidation_dominance_threshold: float = 70.0
    volume_spike_threshold: float = 50.0
    confidence_threshold: float = 75.0
    max_reading_age_hours: float = 24.0
    target_sigmas: float = 1.0
    stop_sigmas: float = 1.0
    fee_bps: float = 5.0
    slippage_bps: float = 2.0
    learn_from: list[str] = []  # noqa: RUF012 - a field of pydantic, which copies it; Dagster knows no tuples

    @classmethod
    def of(cls, settings: Settings) -> "Analysis":
        """The thresholds of the settings."""
        given = {name: getattr(settings, name) for name in cls.model_fields}
        return cls(**{**given, "learn_from": list(settings.learn_from)})

    def signals(self) -> SignalSettings:
        """What signals and analyses are made with."""
        return SignalSettings(
            dominance_threshold=self.liquidation_dominance_threshold,
            volume_spike_threshold=self.volume_spike_threshold,
            confidence_threshold=self.confidence_threshold,
            max_reading_age_hours=self.max_reading_age_hours,
        )

    def training(self) -> TrainingSettings:
        """What forecast models are trained with."""
        return TrainingSettings(symbols=tuple(self.learn_from))

    def outcomes(self) -> OutcomeSettings:
        """What a claim's outcome is told by."""
        return OutcomeSettings(
            target_sigmas=self.target_sigmas,
            stop_sigmas=self.stop_sigmas,
            fee_bps=self.fee_bps,
            slippage_bps=self.slippage_bps,
        )

    def win_rates(self) -> WinRateSettings:
        """What win rates are counted with."""
        return WinRateSettings(outcomes=self.outcomes())
