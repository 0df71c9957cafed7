"""The pages in a real Chromium, at a phone's and a desktop's size, light and dark: for eyes, keys, screen readers.

Skipped where no Chromium can be started; `make test` brings one where it may.
"""

import base64
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cryptopattern_pipelines.resources.settings import Settings
from cryptopattern_tests.api.conftest import KEY, with_key
from cryptopattern_tests.web.conftest import DISTRIBUTION, MAP, chromium, listening

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")

SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
PICTURE = f"/pictures/{'cd' * 32}"
PAGES = ["/", "/symbols/ETH", "/symbols/ETH?days=7", "/read", PICTURE, "/docs", "/nowhere", "/?q=nope"]
FOCUSABLE = "a[href], button, input, select, summary, [tabindex='0']"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium: the system's, or else Playwright's own."""
    # Chromium's sandbox won't start for root.
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        try:
            started = driver.chromium.launch(executable_path=chromium(), args=arguments)
        except playwright.Error as error:
            pytest.skip(f"no Chromium can be started: {error.message.splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(filled: Settings) -> Iterator[str]:
    """Where the service listens that has two symbols."""
    with listening(filled) as found:
        yield found


@contextmanager
def opened(browser: Any, address: str, size: str = "desktop", **more: Any) -> Iterator[Any]:
    """A page that asks nobody else, and whose scripts and policies meet no error."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, base_url=address, **more)
    context.set_default_timeout(20_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(f"a dialog: {dialog.message}"))
    page.on("request", lambda asked: None if is_own(asked.url, address) else errors.append(f"asked {asked.url}"))
    yield page
    context.close()
    # What the test itself asks for and isn't there, Chromium calls an error, too.
    assert not [error for error in errors if "status of 404" not in error]


def is_own(url: str, address: str) -> bool:
    return url.startswith("data:") or urlsplit(url).netloc == urlsplit(address).netloc


def transferred(page: Any, *files: Path) -> Any:
    """Files as a browser hands them over when they are dragged or pasted."""
    return page.evaluate_handle(
        """files => {
            const all = new DataTransfer();
            for (const [name, data] of files) {
                const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
                all.items.add(new File([bytes], name, {type: "image/png"}));
            }
            return all;
        }""",
        [[file.name, base64.b64encode(file.read_bytes()).decode()] for file in files],
    )


def drop(page: Any, *files: Path) -> None:
    """Drag files from outside over the page, and let go of them there."""
    made = transferred(page, *files)
    page.dispatch_event("main", "dragenter", {"dataTransfer": made})
    assert "dropping" in page.evaluate("document.documentElement.className")
    with page.expect_navigation():
        page.dispatch_event("main", "drop", {"dataTransfer": made})


def violations(page: Any) -> list[str]:
    """What axe-core finds, each with its impact and the first element."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{one['impact']} {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Any, address: str, size: str, scheme: str
) -> None:
    with opened(browser, address, size, color_scheme=scheme) as page:
        for path in PAGES:
            page.goto(path)
            assert violations(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        page.goto("/")
        page.fill("#coin", "ETH")
        drop(page, MAP)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_every_rate_stands_beside_its_interval_sample_and_base_rate(
    browser: Any, address: str, scheme: str
) -> None:
    with opened(browser, address, "phone", color_scheme=scheme) as page:
        page.goto("/symbols/ETH")
        for name in ("Win rates of all claims", "Forecasts", "Patterns"):
            group = page.get_by_role("group", name=name)
            assert group.evaluate("one => one.scrollWidth <= one.clientWidth"), name
            assert group.get_by_role("row").count() > 1  # to a screen reader it is still a table
            for label in ("Interval", "n", "Base rate"):
                cells = group.locator(f"td[data-label='{label}']")
                assert all(cells.nth(at).is_visible() for at in range(cells.count())), (name, label)
                assert cells.count()


def test_dark_is_dark_and_light_is_light(browser: Any, address: str) -> None:
    brightness = {}
    for scheme in ("light", "dark"):
        with opened(browser, address, color_scheme=scheme) as page:
            page.goto("/")
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            brightness[scheme] = sum(map(int, re.findall(r"\d+", colour)[:3])) / 3
    assert brightness["light"] > 200
    assert brightness["dark"] < 60


@pytest.mark.parametrize("path", ["/", "/symbols/ETH", "/read"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(browser: Any, address: str, path: str) -> None:
    with opened(browser, address) as page:
        page.goto(path)
        wanted = page.evaluate(
            """all => [...document.querySelectorAll(all)].filter(one => one.checkVisibility()).map((one, place) => {
                one.dataset.place = place; return place; })""",
            FOCUSABLE,
        )
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        reached = []
        for _ in range(len(wanted) + 5):
            place, outline = page.evaluate(
                "[document.activeElement.dataset.place, getComputedStyle(document.activeElement).outlineStyle]"
            )
            if place is not None and int(place) not in reached:
                reached.append(int(place))
                assert outline != "none", page.evaluate("document.activeElement.outerHTML")
            page.keyboard.press("Tab")
        assert sorted(reached) == wanted
        # In the order in which they stand.
        assert reached == sorted(reached)


def test_the_skip_link_leads_past_the_head(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_a_symbol_is_found_by_typing(browser: Any, address: str) -> None:
    with opened(browser, address, "phone") as page:
        page.goto("/")
        page.get_by_label("Find a coin").fill("ethusdt")
        page.keyboard.press("Enter")
        page.wait_for_url("**/?q=ethusdt*")
        page.get_by_role("link", name="ETH", exact=True).click()
        page.wait_for_url("**/symbols/ETH")
        page.get_by_role("link", name="90 days").click()
        page.wait_for_url("**/symbols/ETH?days=90")
        assert page.get_by_role("img", name="Price of ETH").is_visible()
        assert page.locator(".chart:visible").count() == 1  # the one for this width


def test_the_newest_screenshots_are_seen_annotated(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.goto("/symbols/ETH")
        picture = page.get_by_role("img", name="what was read drawn on it")
        picture.scroll_into_view_if_needed()
        page.wait_for_function("one => one.complete && one.naturalWidth > 300", arg=picture.element_handle())
        picture.click()
        page.wait_for_url("**/pictures/*")
        assert page.get_by_role("group", name="Levels read").is_visible()


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_that_is_dropped_is_read(browser: Any, address: str, size: str) -> None:
    with opened(browser, address, size) as page:
        page.goto("/symbols/ETH")
        drop(page, MAP)
        assert page.title().startswith("What was read")
        assert page.get_by_role("heading", name="What the signals say of ETH").is_visible()
        shares = page.get_by_role("table", name="Shares of liquidations")
        assert "ETH" in shares.inner_text()
        assert page.get_by_role("table", name="Price levels").locator("tbody tr").count() == 10
        assert page.evaluate("document.querySelector('.annotated img').naturalWidth") == 900
        drop(page, MAP, DISTRIBUTION)  # onto the answer, too
        assert page.locator(".annotated").count() == 2
        assert page.get_by_text("It is not kept.").is_visible()


def test_a_picture_that_is_pasted_is_read(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.goto("/")
        with page.expect_navigation():
            transferred(page, DISTRIBUTION).evaluate(
                "made => dispatchEvent(new ClipboardEvent('paste', {clipboardData: made}))"
            )
        assert page.get_by_role("table", name="Shares of liquidations").locator("tbody tr").count() > 20


def test_what_is_no_picture_is_said_and_not_sent(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.goto("/")
        made = page.evaluate_handle(
            "() => { const all = new DataTransfer(); all.items.add(new File(['x'], 'x.txt', {type: 'text/plain'}));"
            " return all; }"
        )
        page.dispatch_event("main", "drop", {"dataTransfer": made})
        assert page.get_by_role("status").inner_text() == "That is no picture."
        assert urlsplit(page.url).path == "/"


def test_all_works_without_scripts(browser: Any, address: str) -> None:
    with opened(browser, address, java_script_enabled=False) as page:
        page.goto("/read")
        assert not page.get_by_text("drop or paste").is_visible()
        page.get_by_label("Screenshot of a liquidation chart").set_input_files(MAP)
        page.get_by_label("Coin, if you want it analysed").fill("eth")
        page.get_by_role("button", name="Read it").click()
        page.get_by_role("heading", name="What was read").wait_for()
        assert page.get_by_role("table", name="Price levels").is_visible()


def test_nothing_that_is_written_in_the_tables_runs(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.add_init_script("window.pwned = () => { window.harmed = true; }")
        for path in ("/", PICTURE, "/?q=<img src=x onerror=pwned()>"):
            page.goto(path)
            page.wait_for_load_state("networkidle")
            assert not page.evaluate("window.harmed")
            assert page.locator("img[src='x']").count() == 0


def test_the_browser_asks_for_the_key_and_sends_it_with_the_picture(browser: Any, filled: Settings) -> None:
    keyed = filled.model_copy(update={"api_keys": with_key(), "api_key_for_reads": True})
    credentials = {"username": "desk", "password": KEY}
    with listening(keyed) as address, opened(browser, address, http_credentials=credentials) as page:
        page.goto("/symbols/ETH")
        picture = page.get_by_role("img", name="what was read drawn on it")
        picture.scroll_into_view_if_needed()
        page.wait_for_function("one => one.complete && one.naturalWidth > 300", arg=picture.element_handle())
        page.goto("/read")
        drop(page, MAP)
        assert page.get_by_role("table", name="Price levels").is_visible()


def test_a_key_that_is_asked_for_after_the_drop_loses_no_picture(
    browser: Any, filled: Settings, tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(MAP.read_bytes() + bytes(4_000_000))  # what follows a PNG's end is no part of the picture
    keyed = filled.model_copy(update={"api_keys": with_key()})
    credentials = {"username": "desk", "password": KEY}
    with listening(keyed) as address, opened(browser, address, http_credentials=credentials) as page:
        page.goto("/")
        drop(page, large)
        assert page.get_by_role("table", name="Price levels").is_visible()


def test_an_empty_store_is_a_page_too(browser: Any, empty: Settings) -> None:
    with listening(empty) as address, opened(browser, address, "phone") as page:
        page.goto("/")
        assert page.get_by_text("Nothing is analysed yet").is_visible()
        assert violations(page) == []
