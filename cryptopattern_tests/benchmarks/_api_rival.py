"""The REST service as the guide draws it: Flask, SQLAlchemy ORM objects, a session a request."""

from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import sqlalchemy as sa
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import sessionmaker


def build_app(url: str) -> flask.Flask:
    """The service over the serving tables."""
    app = flask.Flask(__name__)
    engine = sa.create_engine(url, pool_size=10, max_overflow=20)  # as the guide's settings have it
    base = automap_base()
    base.prepare(engine, schema="serving")
    session = sessionmaker(engine)
    analyses, rates = base.classes.squeeze_analyses, base.classes.win_rates

    def shown(row: Any) -> dict[str, Any]:
        told = {}
        for column in row.__table__.columns:
            value = getattr(row, column.name)
            told[column.name] = value.isoformat() if isinstance(value, datetime) else value
        return told

    @app.route("/api/v1/analyses/<symbol>")
    def of_symbol(symbol: str) -> Any:
        asked = flask.request.args
        with session() as opened:
            query = opened.query(analyses).filter(analyses.symbol == symbol)
            if "from" in asked:
                query = query.filter(analyses.hour >= asked["from"])
            if "to" in asked:
                query = query.filter(analyses.hour < asked["to"])
            query = query.order_by(analyses.hour.desc()).offset(int(asked.get("offset", 0)))
            rows = [shown(row) for row in query.limit(int(asked.get("limit", 100)))]
        return flask.jsonify({"success": True, "data": {"symbol": symbol, "analyses": rows, "count": len(rows)}})

    @app.route("/api/v1/squeeze-alerts")
    def alerts() -> Any:
        asked = flask.request.args
        since = datetime.now(UTC) - timedelta(hours=int(asked.get("hours_back", 24)))
        least = float(asked.get("min_probability", 50))
        with session() as opened:
            query = opened.query(analyses).filter(analyses.hour >= since, analyses.probability >= least)
            rows = []
            for row in query.order_by(analyses.hour.desc()).limit(100):
                side = "long" if row.squeeze_type == "SHORT_SQUEEZE" else "short"
                odds = (
                    opened.query(rates)
                    .filter(rates.symbol == row.symbol, rates.timeframe == "24h", rates.side == side)
                    .order_by(rates.day.desc())
                    .first()
                )
                rows.append({**shown(row), "odds_24h": shown(odds) if odds else None})
        return flask.jsonify({"success": True, "data": {"alerts": rows, "count": len(rows)}})

    @app.route("/api/v1/win-rates/<symbol>")
    def win_rates(symbol: str) -> Any:
        with session() as opened:
            query = opened.query(rates).filter(rates.symbol == symbol).order_by(rates.day.desc())
            rows = [shown(row) for row in query.limit(6)]
        return flask.jsonify({"success": True, "data": {"win_rates": rows, "count": len(rows)}})

    @app.route("/api/v1/symbols")
    def symbols() -> Any:
        with session() as opened:
            found = sorted(row[0] for row in opened.query(analyses.symbol).distinct())
        return flask.jsonify({"success": True, "data": {"symbols": found, "count": len(found)}})

    return app
