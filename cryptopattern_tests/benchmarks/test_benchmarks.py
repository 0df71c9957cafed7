"""The benchmarks' runner, and that the rival of `analysis` is the guide's detector."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cryptopattern_tests.benchmarks import analysis
from cryptopattern_tests.benchmarks.__main__ import main, names
from cryptopattern_tests.benchmarks.figure import Figure


def test_every_benchmark_is_found() -> None:
    assert "analysis" in names()
    assert not [name for name in names() if name.startswith(("_", "test")) or name == "figure"]


def test_a_ratio_above_one_means_that_ours_is_better() -> None:
    assert Figure("speed", 6.0, 2.0, "rows/s").ratio == 3.0
    assert Figure("time", 2.0, 6.0, "s", less_is_better=True).ratio == 3.0


def test_lines_come_first_and_one_json_object_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = [Figure("speed", 6_000.0, 2_000.0, "rows/s"), Figure("size", 5.0, None, "MB")]
    monkeypatch.setattr(analysis, "run", lambda: figures)
    assert main(["ONLY=analysis"]) == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert first == "speed: ours 6,000 rows/s  rival 2,000 rows/s  ratio 3"
    assert second == "size: ours 5 MB  no rival"
    assert json.loads(last)["speed"] == {
        "name": "speed",
        "ours": 6000.0,
        "rival": 2000.0,
        "unit": "rows/s",
        "ratio": 3.0,
    }


def test_a_benchmark_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonesuch"]) == 2
    assert "no benchmark nonesuch: there are analysis" in capsys.readouterr().err


def test_the_rival_gives_the_guides_numbers() -> None:
    # (58.8 x .1 + 90 x .25) / .35 = 81.0857, x .49 = 39.73: the guide's own weights and labels.
    found = analysis.GuideDetector().analyse(
        "BTC", {"long_liquidation_pct": 25.5, "short_liquidation_pct": 74.5}, {"volume_change_24h": 60.0}
    )
    assert found["squeeze_type"] == "LONG_SQUEEZE"
    assert found["probability"] == 39.7
    assert found["direction_confidence"] == 49.0
    assert found["signals"]["short_liquidation_dominance"]["weight"] == 0.1
    assert [found[name] for name in ("severity", "estimated_timeframe", "risk_level")] == [
        "MINOR",
        "uncertain",
        "INSUFFICIENT_DATA",
    ]


def both() -> tuple[pd.DataFrame, pd.DataFrame]:
    task = analysis.work(symbols=5, hours=200)
    mine = analysis.ours(task)
    return mine, pd.DataFrame(analysis.rival(analysis.rows_for_the_rival(task, mine)))


def test_ours_agrees_with_the_guide_where_only_its_signals_fire() -> None:
    mine, guide = both()
    assert analysis.check_agreement(mine, guide) > 500


@pytest.mark.parametrize(
    ("column", "spoil"),
    [
        ("squeeze_type", lambda old: "SHORT_SQUEEZE" if old == "LONG_SQUEEZE" else "LONG_SQUEEZE"),
        ("probability", lambda old: old + 0.3),
        ("direction_confidence", lambda old: old + 0.3),
        ("risk_level", lambda old: "HIGH_CONFIDENCE"),
    ],
)
def test_a_difference_does_not_pass_for_agreement(column: str, spoil: Callable[[object], object]) -> None:
    mine, guide = both()
    compared = np.flatnonzero(
        (mine["signal_count"] == 1) & (mine["liquidation_dominance_strength"] > 0) & (mine["probability"] > 1)
    )
    guide.loc[compared[0], column] = spoil(guide.loc[compared[0], column])
    with pytest.raises(analysis.DisagreementError, match=column):
        analysis.check_agreement(mine, guide)
