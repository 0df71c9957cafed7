"""Fixtures that more than one folder of tests uses."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real market history and labelled screenshots, which lies beside the project."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("CRYPTOPATTERN_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"needs the real history and labelled screenshots in {folder} (set CRYPTOPATTERN_SHARED)")
    return folder
