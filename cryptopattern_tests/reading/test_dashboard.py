"""Dashboards drawn with known metrics are read back; labelled screenshots where they are at hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cryptopattern_pipelines.reading.dashboard import read_dashboard
from cryptopattern_pipelines.reading.metrics import metric_of, parse_value
from cryptopattern_pipelines.reading.ocr import default_engine
from cryptopattern_pipelines.reading.picture import load_picture

TILES = [
    ("Price", "$67,498.5", "+1.02%", "price", 67498.5, "USD", 1.02),
    ("24h Volume", "$83.40B", "-0.59%", "volume_24h", 83.4e9, "USD", -0.59),
    ("Open Interest", "$8.64B", "+4.13%", "open_interest", 8.64e9, "USD", 4.13),
    ("Funding Rate", "-0.0161%", "", "funding_rate", -0.0161, "%", None),
    ("Long/Short Ratio", "1.07", "-0.15%", "long_short_ratio", 1.07, None, -0.15),
    ("Fear & Greed Index", "61", "", "fear_greed_index", 61.0, None, None),
    ("RSI (14)", "37.13", "", "rsi", 37.13, None, None),
    ("Short Liquidations", "$148.86K", "", "short_liquidations", 148_860.0, "USD", None),
]


def tiles(page: tuple[int, int, int], ink: tuple[int, int, int]) -> np.ndarray:
    image = Image.new("RGB", (1200, 340), page)
    draw = ImageDraw.Draw(image)
    small, large = ImageFont.load_default(size=16), ImageFont.load_default(size=22)
    for i, (label, value, change, *_) in enumerate(TILES):
        x, y = 40 + 290 * (i % 4), 40 + 150 * (i // 4)
        draw.text((x, y), label, fill=tuple((a + b) // 2 for a, b in zip(page, ink, strict=True)), font=small)
        draw.text((x, y + 28), value, fill=ink, font=large)
        draw.text((x, y + 66), change, fill=(220, 60, 60) if "-" in change else (30, 160, 90), font=small)
    return np.array(image)


def rows() -> np.ndarray:
    image = Image.new("RGB", (700, 480), (250, 250, 252))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=20)
    for i, (label, value, change, *_) in enumerate(TILES):
        y = 30 + 52 * i
        draw.text((40, y), label, fill=(110, 110, 120), font=font)
        draw.text((560, y), value, fill=(20, 20, 25), font=font, anchor="ra")
        draw.text((572, y), change, fill=(220, 60, 60), font=font)
    return np.array(image)


@pytest.mark.parametrize(
    "picture",
    [tiles((20, 24, 32), (240, 240, 245)), tiles((255, 255, 255), (20, 20, 25)), rows()],
    ids=["dark", "light", "rows"],
)
def test_every_metric_is_read_back_with_its_unit_and_change(picture: np.ndarray) -> None:
    engine = default_engine()
    read = {metric.name: metric for metric in read_dashboard(picture, engine.words(picture), engine).metrics}
    for *_, name, value, unit, change in TILES:
        assert read[name].value == pytest.approx(value)
        assert read[name].unit == unit
        assert read[name].change == change


def test_values_over_their_labels_and_tiles_with_unknown_labels_are_read() -> None:
    image = Image.new("RGB", (1000, 300), (16, 20, 28))
    draw = ImageDraw.Draw(image)
    shown = [*TILES[:3], TILES[4], ("Net Inflow", "-$12.50M", "", "net_inflow", -12.5e6, "USD", None), TILES[6]]
    for i, (label, value, *_) in enumerate(shown):
        x, y = 40 + 320 * (i % 3), 40 + 130 * (i // 3)
        draw.text((x, y), value, fill=(240, 240, 245), font=ImageFont.load_default(size=24))
        draw.text((x, y + 38), label, fill=(140, 145, 155), font=ImageFont.load_default(size=16))
    engine, picture = default_engine(), np.array(image)
    read = {metric.name: metric for metric in read_dashboard(picture, engine.words(picture), engine).metrics}
    assert {name: (metric.value, metric.unit) for name, metric in read.items()} == {
        name: (pytest.approx(value), unit) for *_, name, value, unit, _ in shown
    }


def test_a_value_goes_on_in_no_other_text() -> None:
    image = Image.new("RGB", (700, 260), (250, 250, 252))
    draw = ImageDraw.Draw(image)
    for i, (label, value) in enumerate((("Price", "$67,498.5"), ("Open Interest", "$8.64B"), ("RSI (14)", "37.13"))):
        draw.text((40 + 220 * i, 40), label, fill=(110, 110, 120), font=ImageFont.load_default(size=16))
        draw.text((40 + 220 * i, 70), value, fill=(20, 20, 25), font=ImageFont.load_default(size=22))
    draw.rectangle((78, 66, 92, 100), fill=(250, 250, 252))  # a part of the price is covered
    engine, picture = default_engine(), np.array(image)
    read = {metric.name: metric.value for metric in read_dashboard(picture, engine.words(picture), engine).metrics}
    assert read == {"open_interest": pytest.approx(8.64e9), "rsi": pytest.approx(37.13)}


def test_a_picture_without_metrics_says_so() -> None:
    read = read_dashboard(np.full((200, 300, 3), 250, np.uint8), [], default_engine())
    assert read.metrics == ()
    assert read.error is not None


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("$703.13M -15.07%", 703_130_000.0, "USD"),
        ("-0.0155%", -0.0155, "%"),
        ("\u22120.0155%", -0.0155, "%"),
        ("+0.0040%", 0.004, "%"),
        ("-$1.5K", -1500.0, "USD"),
        ("0.09670", 0.0967, None),
    ],
)
def test_a_value_is_parsed_with_sign_and_unit(text: str, value: float, unit: str | None) -> None:
    parsed = parse_value(text)
    assert parsed is not None
    assert (parsed.number, parsed.unit) == (pytest.approx(value), unit)


@pytest.mark.parametrize("text", ["s250M", "Price", "", "$2.5X9", "012.5"])
def test_a_text_that_is_no_value_is_refused(text: str) -> None:
    assert parse_value(text) is None


def test_labels_are_known_by_what_they_say_not_by_likeness_alone() -> None:
    assert metric_of("Open lnterest") == ("open_interest", "USD")
    assert metric_of("24n Low") == ("24h_low", "USD")
    assert metric_of("Long Liquidations") == ("long_liquidations", "USD")
    assert metric_of("Short Liquidations") == ("short_liquidations", "USD")
    assert metric_of("Lost Liquidations") is None
    assert metric_of("Liquidation Map") is None


def test_labelled_dashboards(shared: Path) -> None:
    engine = default_engine()
    folder = shared / "screenshots" / "varied"
    truths = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
    hits = of = 0
    for truth in [t for t in truths if t["image_type"] == "market_metrics_dashboard"][:9]:
        picture = load_picture(folder / truth["file"]).pixels
        read = {metric.name: metric.value for metric in read_dashboard(picture, engine.words(picture), engine).metrics}
        for wanted in truth["metrics"]:
            known = metric_of(wanted["name"])
            assert known is not None
            of += 1
            if known[0] in read:
                hits += 1
                assert read[known[0]] == pytest.approx(wanted["value"], rel=0.005), (truth["file"], known[0])
    assert hits >= 0.99 * of
