"""The metrics in a bar over a chart."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cryptopattern_pipelines.reading.ocr import default_engine
from cryptopattern_pipelines.reading.top_bar import read_top_bar
from cryptopattern_tests.reading.drawn import font


def drawn(text: str) -> np.ndarray:
    image = Image.new("RGB", (1200, 300), (255, 255, 255))
    ImageDraw.Draw(image).text((20, 12), text, (40, 45, 60), font(17))
    return np.array(image)


def test_labels_and_values_side_by_side_are_metrics_with_their_changes() -> None:
    picture = drawn("24h Volume $4,374,272,560 +0.42%    Open Interest $8.72B -1.50%")
    engine = default_engine()
    found = {metric.name: metric for metric in read_top_bar(picture, engine.words(picture), engine, 200)}
    assert set(found) == {"volume_24h", "open_interest"}
    assert found["volume_24h"].value == 4_374_272_560
    assert found["volume_24h"].unit == "USD"
    assert found["volume_24h"].change == pytest.approx(0.42)
    assert found["open_interest"].value == pytest.approx(8.72e9)
    assert found["open_interest"].change == pytest.approx(-1.5)


@pytest.mark.parametrize(
    "text",
    [
        "Open Interest   Funding Rate   Long/Short   Liquidations",  # a menu
        "Open Interest $8.72B",  # one alone
        "24h Long/Short 51.48%/48.52%   24h Long/Short 51.48%/48.52%",  # shares, no ratio
    ],
)
def test_menus_single_labels_and_shares_are_none(text: str) -> None:
    picture = drawn(text)
    engine = default_engine()
    assert read_top_bar(picture, engine.words(picture), engine, 200) == ()


def test_what_stands_in_the_chart_is_none() -> None:
    picture = drawn("24h Volume $4,374,272,560 +0.42%    Open Interest $8.72B -1.50%")
    engine = default_engine()
    assert read_top_bar(picture, engine.words(picture), engine, 10) == ()
