"""The benchmarks' runner, that the rivals are what they are said to be, and how fields are counted as read."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptopattern_pipelines.reading.metrics import MetricReading
from cryptopattern_pipelines.reading.reading import Reading
from cryptopattern_pipelines.reading.shares import ShareReading
from cryptopattern_pipelines.resources.settings import PROJECT
from cryptopattern_tests.benchmarks import analysis, archive, live, reading
from cryptopattern_tests.benchmarks.__main__ import main, names
from cryptopattern_tests.benchmarks.figure import Figure


def test_every_benchmark_is_found() -> None:
    assert "analysis" in names()
    assert not [name for name in names() if name.startswith(("_", "test")) or name == "figure"]


def test_a_ratio_above_one_means_that_ours_is_better() -> None:
    assert Figure("speed", 6.0, 2.0, "rows/s").ratio == 3.0
    assert Figure("time", 2.0, 6.0, "s", less_is_better=True).ratio == 3.0
    assert Figure("share", 99.0, 0.0, "%").ratio is None
    assert "rival 0 %" in str(Figure("share", 99.0, 0.0, "%"))


def test_lines_come_first_and_one_json_object_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = [Figure("speed", 6_000.0, 2_000.0, "rows/s"), Figure("size", 5.0, None, "MB")]
    monkeypatch.setattr(analysis, "run", lambda: figures)
    assert main(["ONLY=analysis"]) == 0
    first, second, *table, last = capsys.readouterr().out.splitlines()
    assert first == "speed: ours 6,000 rows/s  rival 2,000 rows/s  ratio 3"
    assert second == "size: ours 5 MB  no rival"
    assert [line.split()[0] for line in table if line.strip("─ ")] == ["Benchmarks", "figure", "speed", "size"]
    assert json.loads(last)["speed"] == {
        "name": "speed",
        "ours": 6000.0,
        "rival": 2000.0,
        "unit": "rows/s",
        "ratio": 3.0,
    }


def test_marks_are_held_against_figures_and_ratios() -> None:
    assert Figure("size", 5.0, None, "MB", less_is_better=True, mark=4).reached is False
    assert Figure("size", 4.0, None, "MB", less_is_better=True, mark=4).reached is True
    assert Figure("speed", 6.0, 2.0, "rows/s", mark=5, ratio_mark=4).reached is False
    assert Figure("speed", 6.0, None, "rows/s", ratio_mark=4).reached is None  # without the rival nobody can say
    assert Figure("speed", 6.0, 2.0, "rows/s", mark=5, ratio_mark=3).mark_told == "≥ 5 rows/s, ratio ≥ 3"


def test_one_that_fails_or_measures_nothing_is_named_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken() -> list[Figure]:
        raise OSError("no such | server")

    monkeypatch.setattr(analysis, "run", broken)
    monkeypatch.setattr(archive, "run", list)
    monkeypatch.setattr(live, "run", lambda: [Figure("size", 5.0, 20.0, "MB", less_is_better=True, mark=4)])
    files = {kind: tmp_path / f"figures.{kind}" for kind in ("json", "markdown")}
    options = [word for kind, file in files.items() for word in (f"--{kind}", str(file))]
    assert main(["analysis", "archive", "live", *options]) == 1
    told = capsys.readouterr()
    assert "OSError: no such | server" in told.err
    assert json.loads(files["json"].read_text()) == json.loads(told.out.splitlines()[-1])
    assert json.loads(files["json"].read_text())["size"]["reached"] is False
    assert files["markdown"].read_text().splitlines()[2:] == [
        "| size | 5 | 20 | MB | 4 | ≤ 4 MB ✗ missed |",
        "| analysis |  |  |  |  | failed: OSError: no such &#124; server |",
        "| archive |  |  |  |  | nothing was measured: see above |",
    ]
    assert main(["archive", "live"]) == 0  # a mark that is missed, and history that isn't there, are no failures


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


def test_the_three_rivals_say_the_same() -> None:
    task = analysis.work(symbols=4, hours=100)
    mine = analysis.ours(task)
    ready = pd.DataFrame(analysis.rival(analysis.rows_for_the_rival(task, mine)))
    others = analysis.rival_in_one_pass(task), analysis.rival_row_by_row(task, mine)
    for other in others:
        pd.testing.assert_frame_equal(ready.drop(columns=STAMPS), pd.DataFrame(other).drop(columns=STAMPS))


# Each of the guide's signals and analyses bears the time at which it was made.
STAMPS = ["analysis_timestamp"]


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


def test_the_guides_recipe_makes_the_guides_picture() -> None:
    # Black and white alone, as its adaptive threshold makes it, of the picture's size.
    picture = np.random.RandomState(3).randint(0, 256, (60, 90, 3)).astype(np.uint8)
    prepared = reading.GuidesRecipe.prepared(picture)
    assert prepared.shape == (60, 90)
    assert set(np.unique(prepared)) == {0, 255}


@pytest.mark.parametrize(
    ("text", "field", "stands"),
    [
        ("BTC/USDT Liquidation Map", reading.Field("title words", "map"), True),
        ("BTCUSDT", reading.Field("symbol", "BTC"), True),
        ("ETH 62.8% 37.2%", reading.Field("percentages", "62.8", 62.8, "ETH"), True),
        ("ETH 162.8% 37.2%", reading.Field("percentages", "62.8", 62.8, "ETH"), False),
        ("price 114,620", reading.Field("price", "114620", 114620.0), True),
        ("price 114.62", reading.Field("price", "114620", 114620.0), False),
        ("$1.2", reading.Field("metric values", "$1.23B", 1.23e9), False),
    ],
)
def test_a_rivals_field_is_right_where_it_stands_in_the_text(text: str, field: reading.Field, stands: bool) -> None:
    assert reading.stands_in(text, field) is stands


def test_ours_is_right_where_the_number_is_in_its_place() -> None:
    shares = (ShareReading("ETH", 62.8, 37.2, "both", 0.99), ShareReading("BTC", 40.0, 60.0, "both", 0.99))
    metrics = (MetricReading("open_interest", 1.23e9, "USD", None),)
    ours = Reading("a.png", "", title="Liquidation Map", symbol="BTC", readings=shares, metrics=metrics)
    assert reading.is_read(ours, reading.Field("percentages", "62.8", 62.8, "ETH"))
    assert not reading.is_read(ours, reading.Field("percentages", "62.8", 62.8, "BTC"))
    assert reading.is_read(ours, reading.Field("metric values", "$1.23B", 1.23e9))
    assert not reading.is_read(ours, reading.Field("price", "1", 1.0))
    assert reading.is_read(ours, reading.Field("title words", "map"))


def test_every_field_of_a_truth_is_asked_for() -> None:
    truth = {
        "title": "BTC Map", "symbol": "BTC", "current_price": 0.00001234, "long_share": None,
        "readings": [{"symbol": "BTC", "long_pct": 40.0}], "metrics": [{"value": 2.0, "text": "2.00"}],
    }  # fmt: skip
    asked = [(field.kind, field.text) for field in reading.fields_of(truth)]
    assert asked == [
        ("title words", "btc"), ("title words", "map"), ("symbol", "BTC"), ("percentages", "40.0"),
        ("price", "0.00001234"), ("metric values", "2.00"),
    ]  # fmt: skip
    assert not [field for field in reading.fields_of(truth | {"long_share": 40.0}) if field.kind == "percentages"]


def test_both_ways_read_the_same_month_of_the_archive() -> None:
    sample = PROJECT / "data" / "samples"
    hours = 29 * 24
    # Three perpetual and two spot candles an hour, three coins' funding each eight hours, two coins' hourly metrics.
    assert archive.rival(sample, ["2025-01"]) == 5 * hours + 3 * hours // 8 + 2 * hours
    # Three coins' metrics an hour: funding is known of the third.
    assert archive.ours(sample, ["2025-01"]) >= (5 + 3) * hours


def test_the_limits_alone_allow_the_last_question_when_the_intervals_before_are_used_up() -> None:
    statistics = [("/futures/data/openInterestHist", {"symbol": f"C{n}"}) for n in range(2500)]
    assert live.limit_bound(statistics) == 600
    assert live.limit_bound(statistics[:1000]) == 0
    candles = [("/api/v5/market/candles", {"instId": f"C{n}"}) for n in range(1000)]
    assert live.limit_bound([*statistics[:1001], *candles]) == 300
    assert live.limit_bound(candles) == 48
    klines = [("/fapi/v1/klines", {"symbol": f"C{n}", "limit": "1"}) for n in range(2401)]
    assert live.limit_bound(klines) == 60


def test_an_hour_of_two_symbols_is_whole_and_refused_nowhere() -> None:
    seconds, megabytes, refused = live.run(symbols=2)
    assert seconds.rival == 0
    assert 0 < megabytes.ours < 400
    assert refused.ours == 0
