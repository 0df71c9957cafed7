"""What several tests of the sample use: the simulated market, made once, and the folder that is committed."""

from pathlib import Path

import pytest

from cryptopattern_tests.samples.market import Market, simulate


@pytest.fixture(scope="session")
def market() -> Market:
    return simulate()


@pytest.fixture(scope="session")
def committed() -> Path:
    return Path(__file__).resolve().parents[2] / "data" / "samples"
