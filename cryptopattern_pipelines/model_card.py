"""The card of a training: what was learned from, when, how good it was, how well calibrated, what it looks at."""

import base64
from collections.abc import Callable, Iterable

import pandas as pd

from cryptopattern_pipelines import plots
from cryptopattern_pipelines.squeeze.forecaster import Judgement, Verdict


def model_card(verdict: Verdict) -> str:
    """A page of Markdown on the models that one day's training fitted for one target; its plot is within.

    The figures are of the validation, which none of these models has learned from.
    """
    lines = [f"## {verdict.target}, trained by the end of {verdict.day:%Y-%m-%d}", "", verdict.reason + ".", ""]
    standing, judged = verdict.standing, verdict.judgement
    if standing is not None:
        row = standing.row
        lines += [
            f"- stands: {standing.version}, {row['model_kind']}, calibration {row['calibration']}",
            f"- learned from {row['training_rows']} rows, {row['training_from']:%Y-%m-%d %H:%M} to "
            f"{row['training_to']:%Y-%m-%d %H:%M} UTC, all symbols together; hash of all rows {row['training_sha256']}",
            f"- judged on {row['validation_rows']} rows, {row['validation_from']:%Y-%m-%d %H:%M} to "
            f"{row['validation_to']:%Y-%m-%d %H:%M} UTC",
            f"- base rate {row['base_rate_pct']:.2f} % (n = {row['base_sample_size']} windows)",
            "",
        ]
    if judged is not None:
        lines += _scores(judged)
        if judged.reliability:
            picture = plots.reliability(f"{verdict.target} {verdict.day:%Y-%m-%d}", judged.reliability)
            lines += [f"![reliability](data:image/png;base64,{base64.b64encode(picture).decode()})", ""]
    return "\n".join(lines)


def what_stands(verdicts: Iterable[Verdict], card_place: Callable[[str], str]) -> str:
    """What stands for each target at a day's end, as a table of Markdown with where each one's card lies.

    `card_place` tells the place of a card by its model's hash.
    """
    lines = ["| target | stands | kind | skill when it was judged | card |", "|---|---|---|---|---|"]
    for verdict in verdicts:
        if verdict.standing is None:
            lines.append(f"| {verdict.target} | nothing: {verdict.reason} | | | |")
            continue
        row = verdict.standing.row
        # Read back from the table an unknown number is NaN or NA.
        skill = "" if pd.isna(row["skill"]) else f"{row['skill']:+.3f}"
        place = card_place(str(row["model_sha256"]))
        lines.append(f"| {verdict.target} | {row['model_version']} | {row['model_kind']} | {skill} | `{place}` |")
    return "\n".join(lines)


def _scores(judged: Judgement) -> list[str]:
    base = judged.brier["climatology"]
    lines = ["| kind | Brier | skill | calibration error |", "|---|---|---|---|"]
    lines += [
        f"| {kind} | {brier:.4f} | {1 - brier / base if base > 0 else 0:+.3f} | {judged.calibration_error[kind]:.4f} |"
        for kind, brier in judged.brier.items()
    ]
    if judged.importance:
        lines += ["", "What moves the challenger's log-odds, mean of either sign:", ""]
        lines += [f"- {name} {size:.3f}" for name, size in judged.importance]
    return [*lines, ""]
