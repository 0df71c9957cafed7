"""What kind of chart a picture is, and what its title says: type, symbol, venue, leverage, time.

What belongs here: lines of text and titles. What does not: what is drawn (`bars.py`, `heatmap.py`,
`liquidation_map.py`), and what stands on buttons (`buttons.py`).

A title counts where it is all that its line says: articles, menus and banners that speak of heatmaps do not. One that
stands in a list, in a talk or beside a larger heading counts only where its chart is found, too.
"""

import difflib
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from cryptopattern_pipelines.reading.lines import TextLine, text_lines
from cryptopattern_pipelines.reading.metrics import is_label
from cryptopattern_pipelines.reading.ocr import Engine, Word
from cryptopattern_pipelines.reading.symbols import KNOWN_SYMBOLS, LIKE_A_SLASH, base_of, meant_symbol

VENUES = (
    "Binance", "OKX", "Bybit", "Bitget", "HTX", "Huobi", "BitMEX", "Bitfinex", "Deribit", "Kraken", "Gate", "Coinbase",
    "Hyperliquid", "dYdX", "CoinEx", "KuCoin", "MEXC", "BingX", "Bitmart", "WhiteBIT", "Crypto.com", "Bitunix", "Aster",
)  # fmt: skip
_VENUE_NAMES = {venue.lower(): venue for venue in VENUES}

_ALL = r"a[l1I|]{0,2}[\s_.=~-]{0,2}leverage"
_OPTI = r"opt[il1]ca[l1I|][\s_.]{0,2}opt[il1]"
_LEVERAGE = re.compile(rf"(?P<all>\b{_ALL})|(?P<opti>\b{_OPTI})", re.IGNORECASE)
_PAIR = r"(?P<coin>[A-Za-z0-9]{1,15}?)(?:\s?[/|]\s?[IJl|/]?|-)?U[S5][DO0Q][TIC17]?(?:\.P)?"
_CHART_TIME = re.compile(r"(\d{1,2})\s?([A-Z][a-z]{2})\s?(20\d\d)\s?(\d\d)[:.]?(\d\d)[:.]?(\d\d)\s?GMT")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DISTRIBUTION = re.compile(r"^(?P<lead>.{0,30}?)\b[l1I]?iquidations?\s?distribution\b(?P<rest>.{0,50})$", re.IGNORECASE)
_MAP = re.compile(r"^(?P<lead>.{0,40}?)\b(?:exchange\s)?liquidation\s?ma(?:p|$)(?P<rest>.{0,40})$", re.IGNORECASE)
_HEATMAP = re.compile(
    r"^(?P<lead>.{0,40}?)\bli[qg](?:uidations?)?[\s-]?heat\s?m(?:ap|a?$)(?P<rest>.{0,40})$", re.IGNORECASE
)
# Charts that their title's words tell; `lead` is what stands before those, `rest` what stands after.
_BY_TITLE = {"liquidation_map": _MAP, "price_chart_heatmap": _HEATMAP}
_KINGFISHER_MAP = re.compile(
    r"^\W*(?P<coin>[A-Z0-9]{1,12})\s?[:;.]\s?(?P<venues>[A-Za-z_ ]{3,80}?)\s?[-\u2014\u2013~]", re.ASCII
)
_DASHBOARD = re.compile(
    r"^(?P<lead>.{0,30}?)\b(?:market\s(?:metrics|overview|stats|statistics)|derivatives\s(?:overview|metrics|dashboard)"
    r"|metrics\sdashboard|futures\s(?:overview|metrics))(?P<rest>\sdashboard)?$",
    re.IGNORECASE,
)

_CLOCK = re.compile(r"\b(?:[01]?\d|2[0-3])[:-][0-5]\d\b")
_PAGES = re.compile(
    r"\W*(?:liquidation (?:heat\s?map|map|data)s?|liquidations?|heat\s?maps?|markets?|options?|futures|spot|derivatives"
    r"|open interest|funding(?: rates?)?|long/short(?: ratio)?|etfs?|news|charts?|tools?|exchanges?|indicators?"
    r"|screener|portfolio|pricing|indices|data|on-?chain)\W*",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"https?:|\bwww\.", re.IGNORECASE)
# What stands on a box that hides the page behind it.
_BARRIER = re.compile(
    r"\b(?:password|cookies|consent|captcha|verify(?:ing)? you|checking your browser|continue with (?:google|apple)"
    r"|log ?in to|sign ?in to|create an account|upgrade to|unlock|welcome to|manage options|partners store)\b",
    re.IGNORECASE,
)

# Words of titles; one that is read with a letter or two wrong is set right before titles are looked for.
_VOCABULARY = (
    "Liquidation", "Liquidations", "Distribution", "Heatmap", "Leverage", "Exchange", "Optical", "Market", "Metrics",
    "Dashboard", "Overview", "Kingfisher", "Derivatives", "continuous",
)  # fmt: skip


@dataclass(frozen=True)
class Title:
    """What a picture's title and header say; `strong` where the title names its coin or its chart in full."""

    image_type: str
    confidence: float
    evidence: str
    title: str | None = None
    symbol: str | None = None
    venue: str | None = None
    timeframe: str | None = None
    leverage: str | None = None
    chart_time: datetime | None = None
    strong: bool = True
    box: tuple[int, int, int, int] | None = None


def classify(words: Sequence[Word]) -> Title | None:
    """The title that stands on a picture, None where there is none of a chart that is read.

    Of several (a page's heading, a browser's tab and the chart's own title) the one that says most counts.
    """
    lines = text_lines(words)
    found = [title for index in range(len(lines)) for title in _titles_at(lines, index)]
    found = [title for title in found if title.strong or title.box is None or not _is_in_a_menu(title.box, lines)]
    if not found:
        return _dashboard_by_labels(lines)
    best = max(found, key=lambda title: (title.strong, _said(title), title.box[3] - title.box[1] if title.box else 0))
    if best.strong and not _stands_out(best, found, lines):
        best = replace(best, strong=False, confidence=0.6, evidence="title, one line among others")
    symbol = best.symbol or _symbol_beside(best, lines)
    same = [other for other in found if other.image_type == best.image_type]
    venue = best.venue or next((other.venue for other in same if other.venue), None)
    return replace(best, symbol=symbol, venue=venue or _venue_beside(lines))


def _stands_out(title: Title, found: Sequence[Title], lines: Sequence[TextLine]) -> bool:
    """Whether a title heads its picture: pages of links, chats and articles name charts, too."""
    return title.box is None or not (_is_in_a_list(title, found) or _is_amid_text(title.box, lines))


def _is_in_a_menu(box: tuple[int, int, int, int], lines: Sequence[TextLine]) -> bool:
    """Whether a text stands in a row that names three pages of a site, one of them a map or the markets."""
    _, top, _, bottom = box
    row = [line.text.lower() for line in lines if line.top < bottom and line.bottom > top]
    pages = [text for text in row if _PAGES.fullmatch(text)]
    return len(pages) >= 3 and any("map" in text or "markets" in text for text in pages)


def _is_in_a_list(title: Title, found: Sequence[Title]) -> bool:
    """Whether titles of other charts stand in one column with it, as large as it."""
    left, top, _, bottom = title.box or (0, 0, 0, 0)
    others = [
        other.box
        for other in found
        if other.box and (other.image_type != title.image_type or other.symbol not in (title.symbol, None))
    ]
    return any(
        abs(box[0] - left) < bottom - top
        and (box[1] >= bottom or box[3] <= top)
        and _alike(box[3] - box[1], bottom - top)
        for box in others
    )


def _is_amid_text(box: tuple[int, int, int, int], lines: Sequence[TextLine]) -> bool:
    """Whether a title is part of a talk, an article or a search, or of a page behind a box that asks for something.

    Prose above it or a larger heading below it tell, five lines of words as large as it, a time of day on four lines,
    addresses on two, and what such boxes ask for.
    """
    _, top, _, bottom = box
    height = bottom - top
    said = [(line, sum(_is_plain_word(word) for word in line.words)) for line in lines]
    prose = sum(line.bottom <= top and count >= 5 for line, count in said)
    headings = sum(line.top > bottom and count >= 3 and line.height > 1.25 * height for line, count in said)
    as_large = sum(count >= 2 and line.top != top and _alike(line.height, height) for line, count in said)
    times = len({line.top // (2 * height) for line in lines if _CLOCK.search(line.text)})
    addresses = sum(_ADDRESS.search(line.text) is not None for line in lines)
    asks = any(count and _BARRIER.search(line.text) for line, count in said)
    return prose >= 2 or headings > 0 or as_large >= 5 or times >= 4 or addresses >= 2 or asks


def _alike(height: float, other: float) -> bool:
    return 0.8 < height / max(other, 1) < 1.25


def _is_plain_word(word: Word) -> bool:
    return word.confidence > 0.6 and re.fullmatch(r"[A-Za-z][a-z]+[,.:;!?]?", word.text) is not None


def names_liquidations(text: str) -> bool:
    """Whether a line has the word, be a letter or two of it misread."""
    return re.search(r"\bliq\w{4,}", _spelled(text), re.IGNORECASE) is not None


def _said(title: Title) -> int:
    parts = (title.symbol, title.venue, title.leverage, title.timeframe, title.chart_time)
    return sum(part is not None for part in parts)


def _titles_at(lines: Sequence[TextLine], index: int) -> list[Title]:
    """Titles that a line is, alone or with the one below it that goes on with it."""
    line = lines[index]
    sure = TextLine(tuple(word for word in line.words if word.confidence > 0.5) or line.words)
    found = [_title(sure.text, sure), _title(line.text, line)]
    for other in lines[index + 1 :]:
        if other.top > line.bottom + 1.5 * line.height:
            break
        middles = (line.left + line.right - other.left - other.right) / 2
        within = other.left >= line.left and other.right <= line.right  # a button goes on with the line, perhaps
        aligned = within or abs(other.left - line.left) < 2 * line.height or abs(middles) < 1.5 * line.height
        if other.top >= line.bottom - 2 and aligned and 0.6 < other.height / line.height < 1.6:
            found.append(_title(f"{line.text} {other.text}", line))
            break
    return [title for title in found if title is not None][-1:]


def _spelled(text: str) -> str:
    """A line with misread words of titles set right."""
    return re.sub(r"[A-Za-z]{6,}", lambda match: _spelled_word(match[0]), text)


@functools.lru_cache(4096)
def _spelled_word(word: str) -> str:
    near = difflib.get_close_matches(word.lower(), [known.lower() for known in _VOCABULARY], n=1, cutoff=0.8)
    if not near or near[0] == word.lower():
        return word
    return next(known for known in _VOCABULARY if known.lower() == near[0])


def _title(text: str, line: TextLine) -> Title | None:
    text = _spelled(text)
    box = (line.left, line.top, line.right, line.bottom)
    leverage = _leverage(text)
    plain = re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9)%]+$", "", text)
    kingfisher = _KINGFISHER_MAP.match(plain)
    time = _chart_time(plain)
    if kingfisher and (time or "GMT" in plain):
        names = [name for name in re.split(r"[_ ]+", kingfisher["venues"].lower()) if name in _VENUE_NAMES]
        venues = "_".join(names)
        title = _LEVERAGE.sub(leverage, plain) if leverage else plain
        if leverage is None and len(names) >= 2 and "GMT" in plain:
            # The axis' name lies over the leverage: of the two that there are, one ends in these letters.
            leverage = "optical_opti" if re.search(r"opt[il1]$", plain) else None
            title = plain[: plain.rindex("GMT") + 3] + (f" {leverage}" if leverage else "")
    if kingfisher and (time or "GMT" in plain) and (leverage or len(names) >= 2):
        coin = meant_symbol(kingfisher["coin"]) or kingfisher["coin"]
        return Title("liquidation_map", 0.98, "title", title, coin, venues or None, None, leverage, time, True, box)
    distribution = _DISTRIBUTION.match(plain)
    if distribution and leverage and _is_lead(distribution["lead"], ("long", "short")):
        rest = _LEVERAGE.sub("", distribution["rest"])
        if _is_rest(rest):
            kind = "liquidation_distribution_all" if leverage == "all_leverage" else "liquidation_distribution_opti"
            underscored = "_" in distribution["rest"] or "(" in distribution["rest"].split(" Lev")[0][:3]
            title = _LEVERAGE.sub(leverage, plain) if underscored and "long" in plain.lower() else plain
            coin, venue = _coin(distribution["lead"]) or _coin(rest), _venue(distribution["lead"])
            return Title(kind, 0.98, "title", title, coin, venue, None, leverage, None, True, box)
    for kind, pattern in _BY_TITLE.items():
        match = pattern.match(plain)
        if match is None or not _is_lead(match["lead"], ("the", "kingfisher", "exchange")):
            continue
        rest = _LEVERAGE.sub("", match["rest"])
        timeframe = re.search(r"\(?\s?(\d{1,3}\s?(?:hour|day|week|month|year)s?)\s?\)?", rest, re.IGNORECASE)
        rest = rest.replace(timeframe[0], "") if timeframe else rest
        if not _is_rest(re.sub(r"continuous", "", rest, flags=re.IGNORECASE)):
            continue
        coin = _coin(match["lead"])
        title = _LEVERAGE.sub(leverage, plain) if leverage else plain
        title = re.sub(r"\bLig\b", "Liq", re.sub(r"\.{2,}$", "", title))
        strong = coin is not None
        said = timeframe[1] if timeframe else None
        venue = _venue(match["lead"])
        return Title(kind, 0.97 if strong else 0.6, "title", title, coin, venue, said, leverage, None, strong, box)
    dashboard = _DASHBOARD.match(plain)
    if dashboard and _is_lead(dashboard["lead"], ("crypto", "futures", "derivatives")):
        coin = _coin(dashboard["lead"])
        return Title("market_metrics_dashboard", 0.9, "title", plain, coin, None, None, None, None, True, box)
    return None


def _leverage(text: str) -> str | None:
    match = _LEVERAGE.search(text)
    return None if match is None else "all_leverage" if match["all"] else "optical_opti"


def _chart_time(text: str) -> datetime | None:
    match = _CHART_TIME.search(text)
    if match is None or match[2] not in _MONTHS:
        return None
    day, _, year, hour, minute, second = match.groups()
    try:
        return datetime(
            int(year), _MONTHS.index(match[2]) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except ValueError:
        return None


def _is_lead(lead: str, allowed: Sequence[str]) -> bool:
    """Whether before a title's own words stand but venues, a pair, a coin or words that belong there."""
    tokens = [token for token in re.split(r"[^A-Za-z0-9/.|-]+", lead) if re.search(r"[A-Za-z0-9]", token)]
    tokens = [part for token in tokens for part in (token.split("/") if token.lower() == "long/short" else [token])]
    rest = [token for token in tokens if token.lower() not in allowed and token.lower() not in _VENUE_NAMES]
    return len(rest) <= 1 and all(_coin_of(token) is not None for token in rest)


def _is_rest(rest: str) -> bool:
    """Whether behind a title's own words stands nothing, punctuation, or a pair in brackets."""
    rest = re.sub(r"[^A-Za-z0-9/]+", " ", rest).strip()
    return rest == "" or (" " not in rest and re.fullmatch(_PAIR, rest) is not None) or len(rest) == 1


def _coin_of(token: str) -> str | None:
    """The coin that a token names: a pair with its quote, or a symbol in capitals."""
    token = token.strip("()[]|,.:;-")
    pair = _pair_coin(token)
    if pair:
        return pair
    if token in KNOWN_SYMBOLS or (re.fullmatch(r"[A-Z0-9]{2,12}", token) and not token.isdigit()):
        return meant_symbol(token) or token
    return None


def _pair_coin(token: str) -> str | None:
    """The coin of a pair with its quote; a quote that isn't read right counts behind a coin that is known."""
    match = re.fullmatch(_PAIR, token, re.IGNORECASE)
    if match is None:
        return None
    coin = _known_coin(match["coin"])
    return coin if coin in KNOWN_SYMBOLS or re.search(r"USD[TC]?(\.P)?$", token) else None


def _known_coin(coin: str) -> str:
    """A coin as read before its quote: a slash that was read as a letter is taken off where that makes it known."""
    coin = coin.upper()
    meant = meant_symbol(coin)
    if meant is None and coin[-1] in LIKE_A_SLASH and meant_symbol(coin[:-1]):
        return meant_symbol(coin[:-1]) or coin
    return meant or base_of(coin)


def _coin(text: str) -> str | None:
    for token in re.split(r"[\s()]+", text):
        if token.lower() in _VENUE_NAMES or token.lower() in ("long/short", "the", "kingfisher", "exchange", "crypto"):
            continue
        coin = _coin_of(token) if token else None
        if coin is not None:
            return coin
    return None


def _venue(text: str) -> str | None:
    return next((_VENUE_NAMES[token] for token in re.findall(r"[a-z.]+", text.lower()) if token in _VENUE_NAMES), None)


def symbol_near(picture: np.ndarray, title: Title, engine: Engine) -> str | None:
    """The pair beside or below a title, read again from an enlarged crop: it often stands on a button of its own."""
    if title.box is None:
        return None
    left, top, right, bottom = title.box
    height = bottom - top
    x, y = max(0, left - 2 * height), max(0, top - height)
    beside = picture[y : bottom + height, right : right + 14 * height]
    below = picture[bottom : bottom + 4 * height, x : right + 2 * height]
    for crop, start in ((beside, (right, y)), (below, (x, bottom))):
        if min(crop.shape[:2]) < 8:
            continue
        words = engine.words(crop, scale=float(np.clip(60 / height, 1, 4)))
        found = _symbol_beside(title, text_lines([word.moved(*start) for word in words]))
        if found is not None:
            return found
    return None


def _symbol_beside(title: Title, lines: Sequence[TextLine]) -> str | None:
    """The pair that stands nearest to the title, below or beside it, or in the page's header."""
    left, top, right, bottom = title.box or (0, 0, 0, 0)
    height = max(bottom - top, 8)
    pairs = []
    for line in lines:
        for word in line.words:
            token = re.sub(r"[^A-Za-z0-9/|.-]", "", word.text)
            coin = _pair_coin(token)
            if coin is None:
                continue
            down = max(0, word.top - bottom, top - word.bottom)
            aside = max(0, word.left - right, left - word.right)
            pairs.append((down * 3 + aside > 12 * height, down * 3 + aside, coin))
    return min(pairs)[2] if pairs else None


def _venue_beside(lines: Sequence[TextLine]) -> str | None:
    """The venue of a market that a header names, e.g. `Binance BTC/USDT Perpetual`."""
    return next((market[1] for line in lines if (market := market_of(line.text)) and market[1]), None)


def market_of(text: str) -> tuple[str, str | None] | None:
    """Coin and venue of a market as headers name it, `Binance BTC/USDT Perpetual` or `BTCUSDT`; None if it is none."""
    match = re.search(rf"^\W*(?:(?P<venue>[A-Za-z.]+)\s)?(?P<pair>{_PAIR})(?:\s?Perpetual)?(?:\s\S)?\W*$", text)
    coin = _pair_coin(match["pair"]) if match else None
    if match is None or coin is None:
        return None
    return coin, _VENUE_NAMES.get((match["venue"] or "").lower())


def _dashboard_by_labels(lines: Sequence[TextLine]) -> Title | None:
    """A dashboard without a title that is known: four labels of metrics or more, each on a line of its own.

    A page's top bar has them in one row, each with its value behind it, and a table's head in one row.
    """
    labels = [line for line in lines if is_label(line.text)]
    labels = [line for line in labels if not _is_in_a_menu((line.left, line.top, line.right, line.bottom), lines)]
    if len({line.text.lower() for line in labels}) < 4:
        return None
    height = max(line.height for line in labels)
    if max(line.top for line in labels) - min(line.top for line in labels) < 2 * height:
        return None
    title = Title("market_metrics_dashboard", 0.7, f"{len(labels)} labels of metrics", strong=False)
    return replace(title, symbol=_symbol_beside(title, lines))
