"""The REST service as the guide draws it: Flask, SQLAlchemy ORM objects, a session a request, the page by OFFSET.

`analyze` reads pictures by the guide's recipe in the request's own thread, and scores the symbol by the guide's
detector.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import sqlalchemy as sa
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import sessionmaker

from cryptopattern_tests.benchmarks.analysis import GuideDetector
from cryptopattern_tests.benchmarks.reading import GuidesRecipe

# Addresses of a symbol's rows: the table, what its rows are sorted by, and the filters that are columns of it.
_OF_SYMBOL = {
    "analyses": ("squeeze_analyses", "hour", {"severity": "severity"}),
    "snapshots": ("exchange_snapshots", "hour", {}),
    "forecasts": ("squeeze_forecasts", "hour", {"target": "target"}),
    "events": ("squeeze_events", "day", {"type": "squeeze_type"}),
    "win-rates": ("win_rates", "day", {"condition": "condition", "timeframe": "timeframe", "side": "side"}),
    "patterns": ("pattern_library", "day", {"type": "pattern"}),
}


def build_app(url: str) -> flask.Flask:
    """The service over the serving tables."""
    app = flask.Flask(__name__)
    engine = sa.create_engine(url, pool_size=10, max_overflow=20)  # as the guide's settings have it
    base = automap_base()
    base.prepare(engine, schema="serving")
    session = sessionmaker(engine)
    analyses, rates = base.classes.squeeze_analyses, base.classes.win_rates

    @app.route("/api/v1/<address>/<symbol>")
    def of_symbol(address: str, symbol: str) -> Any:
        table, time, filters = _OF_SYMBOL[address]
        rows_of, asked = base.classes[table], flask.request.args
        when = getattr(rows_of, time)
        with session() as opened:
            query = opened.query(rows_of).filter(rows_of.symbol == symbol)
            if "from" in asked:
                query = query.filter(when >= asked["from"])
            if "to" in asked:
                query = query.filter(when < asked["to"])
            for name, column in filters.items():
                if name in asked:
                    query = query.filter(getattr(rows_of, column) == asked[name])
            query = query.order_by(when.desc()).offset(int(asked.get("offset", 0)))
            rows = [_shown(row) for row in query.limit(int(asked.get("limit", 100)))]
        return flask.jsonify({"success": True, "data": {"symbol": symbol, address: rows, "count": len(rows)}})

    @app.route("/api/v1/squeeze-alerts")
    def alerts() -> Any:
        asked = flask.request.args
        since = datetime.now(UTC) - timedelta(hours=int(asked.get("hours_back", 24)))
        least = float(asked.get("min_probability", 50))
        with session() as opened:
            query = opened.query(analyses).filter(analyses.hour >= since, analyses.probability >= least)
            if "severity" in asked:
                query = query.filter(analyses.severity == asked["severity"])
            rows = []
            for row in query.order_by(analyses.hour.desc()).limit(100):
                side = "long" if row.squeeze_type == "SHORT_SQUEEZE" else "short"
                odds = (
                    opened.query(rates)
                    .filter(rates.symbol == row.symbol, rates.timeframe == "24h", rates.side == side)
                    .order_by(rates.day.desc())
                    .first()
                )
                rows.append({**_shown(row), "odds_24h": _shown(odds) if odds else None})
        return flask.jsonify({"success": True, "data": {"alerts": rows, "count": len(rows)}})

    @app.route("/api/v1/symbols")
    def symbols() -> Any:
        with session() as opened:
            found = sorted(row[0] for row in opened.query(analyses.symbol).distinct())
        return flask.jsonify({"success": True, "data": {"symbols": found, "count": len(found)}})

    @app.route("/api/v1/health")
    def health() -> Any:
        with session() as opened:
            opened.execute(sa.text("SELECT 1"))
        return flask.jsonify({"status": "healthy"})

    _add_analyze(app, base, session)
    return app


def _add_analyze(app: flask.Flask, base: Any, session: Any) -> None:
    recipe, detector = GuidesRecipe(), GuideDetector()
    snapshots, rates = base.classes.exchange_snapshots, base.classes.win_rates

    @app.route("/api/v1/analyze/<symbol>", methods=["POST"])
    def analyze(symbol: str) -> Any:
        texts = [recipe.text(file.read()) for file in flask.request.files.getlist("images")]
        shares = [float(number) for number in re.findall(r"\d{1,3}\.\d", " ".join(texts))]
        with session() as opened:
            newest = opened.query(snapshots).filter(snapshots.symbol == symbol).order_by(snapshots.hour.desc()).first()
            market = {"volume_change_24h": newest.volume_change_24h_pct, "data_source": "test"}
            read = {"long_liquidation_pct": shares[0], "short_liquidation_pct": 100 - shares[0]} if shares else {}
            found = detector.analyse(symbol, {**read, "data_source": "test"}, market)
            by_symbol = opened.query(rates).filter(rates.symbol == symbol)
            known = [_shown(row) for row in by_symbol.order_by(rates.day.desc()).limit(6)]
        return flask.jsonify({"success": True, "data": {"squeeze": str(found), "text": texts, "win_rates": known}})


def _shown(row: Any) -> dict[str, Any]:
    told = {}
    for column in row.__table__.columns:
        value = getattr(row, column.name)
        told[column.name] = value.isoformat() if isinstance(value, datetime) else value
    return told
