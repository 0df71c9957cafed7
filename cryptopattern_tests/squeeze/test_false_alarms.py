"""False alarms counted by hand."""

import pandas as pd

from cryptopattern_pipelines.squeeze.false_alarms import EVENT_COLUMNS, false_alarms
from cryptopattern_pipelines.storage.schemas import SQUEEZE_EVENTS
from cryptopattern_tests.squeeze.frames import liquidations, utc

START, END = utc("2024-04-10"), utc("2024-06-01")
DAY = pd.Timedelta(days=1)


def feed(long_usd: dict[str, float]) -> pd.DataFrame:
    """Daily totals of BTC from January on: 0 to 9 again and again, but for the days named."""
    days = pd.date_range("2024-01-01", "2024-05-31", freq="D")
    rows = [
        (f"{day.date()} 23:00", "BTC", "all", long_usd.get(str(day.date()), float(number % 10)), float(number % 10))
        for number, day in enumerate(days)
    ]
    return liquidations(*rows, span_hours=24)


def told(*events: tuple[str, str, str]) -> pd.DataFrame:
    """Events of BTC by type, first and last hour."""
    if not events:
        return SQUEEZE_EVENTS.empty()
    return pd.DataFrame(
        [
            (utc(last).floor("D"), "BTC", kind, utc(first), utc(last) + pd.Timedelta(hours=1))
            for kind, first, last in events
        ],
        columns=list(EVENT_COLUMNS),
    )


def test_an_event_on_a_day_of_few_liquidations_of_its_side_is_a_false_alarm() -> None:
    known = feed({"2024-04-20": 50.0, "2024-05-02": 50.0})
    rows = false_alarms(
        told(
            ("LONG_SQUEEZE", "2024-04-20 10:00", "2024-04-20 12:00"),
            ("SHORT_SQUEEZE", "2024-04-20 15:00", "2024-04-20 16:00"),
            ("LONG_SQUEEZE", "2024-04-25 10:00", "2024-04-25 12:00"),
            # Its second day stands out.
            ("LONG_SQUEEZE", "2024-05-01 22:00", "2024-05-02 02:00"),
        ),
        known, START, END,
    )  # fmt: skip
    assert rows[["symbol", "month", "days", "events", "false_alarms"]].to_numpy().tolist() == [
        ["BTC", utc("2024-04-01"), 21, 3, 2],
        ["BTC", utc("2024-05-01"), 31, 1, 0],
    ]
    assert rows["a_month"].tolist() == [30 * 2 / 21, 0.0]


def test_months_without_events_count_and_those_that_nothing_can_be_said_of_do_not() -> None:
    rows = false_alarms(told(), feed({}), START, END)
    assert rows["false_alarms"].tolist() == [0, 0]
    late = feed({})
    late = late[late["hour"] >= utc("2024-04-10")]
    # Thirty days before are needed: from May 10 on.
    assert false_alarms(told(), late, START, END)[["month", "days"]].to_numpy().tolist() == [[utc("2024-05-01"), 22]]


def test_hours_are_summed_where_there_is_no_daily_total() -> None:
    hours = pd.date_range("2024-01-01", "2024-05-31 23:00", freq="h")
    hourly = liquidations(*((str(hour), "BTC", "okx", 1.0 + (hour.day == 20), 1.0) for hour in hours))
    event = told(("LONG_SQUEEZE", "2024-04-20 10:00", "2024-04-20 12:00"))
    assert false_alarms(event, hourly, START, END)["false_alarms"].tolist() == [0, 0]
    # A day that lacks an hour is not known.
    lacking = hourly[hourly["hour"] != utc("2024-04-20 03:00")]
    assert false_alarms(event, lacking, START, END)["events"].tolist() == [0, 0]
