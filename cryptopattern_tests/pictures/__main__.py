"""Start the UI over the demo's store (`make demo` fills it), take the pictures into docs/, and stop the UI.

The UI draws when its own questions are answered, and tells nobody: each page is given some seconds.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from cryptopattern_pipelines import demo, local
from cryptopattern_pipelines.resources.settings import PROJECT, Settings
from cryptopattern_pipelines.storage.embedded import EmbeddedPostgres
from cryptopattern_tests.web.conftest import chromium

DOCS = PROJECT / "docs"
_DRAWN_MS = 9_000
_COLOURS = 48


def main(only: list[str]) -> None:
    """Take all pictures, or those named."""
    os.environ["CRYPTOPATTERN_PORT"] = "3978"
    settings = demo.settings()
    local.prepare_home(settings)
    try:
        local.start_ui(settings)
        with sync_playwright() as driver:
            # Chromium's sandbox won't start for root.
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = driver.chromium.launch(executable_path=chromium(), args=arguments)
            for name, (size, take) in _PICTURES.items():
                if only and name not in only:
                    continue
                page = browser.new_page(viewport={"width": size[0], "height": size[1]})
                take(page, settings)
                page.screenshot(path=DOCS / f"{name}.png")
                page.close()
                _lighten(name)
    finally:
        local.stop_ui(settings)
        EmbeddedPostgres(settings.postgres_folder).stop()


def _lineage(page: Any, settings: Settings) -> None:
    wanted = page.viewport_size
    page.set_viewport_size({"width": 3000, "height": 5000})  # what is out of sight can't be clicked
    _open(page, settings, "/asset-groups")
    page.get_by_text("Hide navigation").click()
    page.keyboard.press("Alt+KeyE")  # all groups, opened
    page.wait_for_timeout(_DRAWN_MS)
    # What is published is a copy of every table: one box says it.
    page.locator("foreignObject").get_by_text("serving", exact=True).click()
    page.wait_for_timeout(_DRAWN_MS)
    page.set_viewport_size(wanted)
    page.reload()  # which fits it all into the window
    page.wait_for_timeout(_DRAWN_MS)


def _overview(page: Any, settings: Settings) -> None:
    _open(page, settings, "/assets/squeeze_analyses?view=overview")


def _open(page: Any, settings: Settings, path: str) -> None:
    page.goto(f"{local.address(settings)}{path}")
    page.wait_for_timeout(_DRAWN_MS)


def _lighten(name: str) -> None:
    """Fewer colours, and no blank margin at the bottom: what is left is read as well at a third of the weight."""
    place = DOCS / f"{name}.png"
    picture = Image.open(place).convert("RGB")
    rows = np.ptp(np.asarray(picture.convert("L")), axis=1) > 24
    bottom = min(picture.height, int(np.flatnonzero(rows).max()) + 24)
    picture.crop((0, 0, picture.width, bottom)).quantize(_COLOURS).save(place, optimize=True)
    print(f"{place}: {place.stat().st_size / 1000:.0f} kB")


_PICTURES: dict[str, tuple[tuple[int, int], Callable[[Any, Settings], None]]] = {
    "lineage": ((1500, 2300), _lineage),
    "overview": ((1500, 900), _overview),
}

if __name__ == "__main__":
    main(sys.argv[1:])
