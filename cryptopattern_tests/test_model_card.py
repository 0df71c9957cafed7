"""A model's card says what it was made from and how good it was, and shows how its chances came true."""

from datetime import timedelta

from cryptopattern_pipelines.model_card import model_card
from cryptopattern_pipelines.squeeze.forecaster import verdicts
from cryptopattern_tests.squeeze.learning import SMALL, START, history


def test_a_card_holds_data_scores_features_and_a_diagram() -> None:
    made = history(100, planted=1.5)
    [verdict] = verdicts(lambda: made, [START.to_pydatetime() + timedelta(days=91)], {}, SMALL, ("long_squeeze",))
    card = model_card(verdict)
    assert verdict.standing is not None
    assert verdict.standing.version in card
    for part in ("learned from", "judged on", "base rate", "| blend |", "| climatology |", "- funding", "image/png"):
        assert part in card
    assert card == model_card(verdict)
