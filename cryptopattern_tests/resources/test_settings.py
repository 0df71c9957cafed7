"""Settings come from where they should, and a wrong one is refused by its name."""

from pathlib import Path

import pytest

from cryptopattern_pipelines.resources.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRYPTOPATTERN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CRYPTOPATTERN_SECRETS", str(tmp_path / "secrets"))
    for name in ("CRYPTOPATTERN_SYMBOLS", "CRYPTOPATTERN_DATABASE_URL", "CRYPTOPATTERN_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_guides_defaults() -> None:
    settings = load_settings()
    assert settings.liquidation_dominance_threshold == 70
    assert settings.volume_spike_threshold == 50
    assert settings.confidence_threshold == 75
    assert settings.max_content_length == 16 * 1024 * 1024
    assert "png" in settings.allowed_extensions


def test_the_data_folders_file_comes_before_the_environment_and_that_before_dotenv(
    empty_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_place / ".env").write_text("CRYPTOPATTERN_SYMBOLS=ADA\nVOLUME_SPIKE_THRESHOLD=10\nCONFIDENCE_THRESHOLD=60\n")
    (empty_place / "data").mkdir()
    (empty_place / "data" / "settings.env").write_text("VOLUME_SPIKE_THRESHOLD=20\n")
    monkeypatch.setenv("CRYPTOPATTERN_SYMBOLS", "btc, ETH-USDT-SWAP,BTCUSDT")
    monkeypatch.setenv("VOLUME_SPIKE_THRESHOLD", "30")
    settings = load_settings()
    assert settings.symbols == ("BTC", "ETH")
    assert settings.volume_spike_threshold == 20
    assert settings.confidence_threshold == 60


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIQUIDATION_DOMINANCE_THRESHOLD", "170"),
        ("LIQUIDATION_DOMINANCE_THRESHOLD", "seventy"),
        ("VOLUME_SPIKE_THRESHOLD", "-1"),
        ("CONFIDENCE_THRESHOLD", "101"),
        ("CRYPTOPATTERN_MAX_READING_AGE_HOURS", "0"),
        ("CRYPTOPATTERN_TARGET_SIGMAS", "0"),
        ("CRYPTOPATTERN_FEE_BPS", "-1"),
        ("MAX_CONTENT_LENGTH", "0"),
        ("CRYPTOPATTERN_SYMBOLS", "BTC/EUR"),
        ("CRYPTOPATTERN_DATABASE_URL", "mysql://localhost/x"),
        ("CRYPTOPATTERN_MARKET_SOURCE", "telepathy"),
        ("CRYPTOPATTERN_PORT", "70000"),
        ("CRYPTOPATTERN_SCREENSHOT_TIMEZONE", "Mars/Olympus"),
        ("CRYPTOPATTERN_API_PROXIES", "*"),
        ("CRYPTOPATTERN_DATA", "s3://bucket/data"),
        ("CRYPTOPATTERN_LANDING", "s3://bucket/landing"),
        ("CRYPTOPATTERN_STORE_URL", "s4://bucket/store"),
        ("CRYPTOPATTERN_BROKER_URL", "amqp://user:password@host"),
        ("CRYPTOPATTERN_WORKERS", "0"),
        ("CRYPTOPATTERN_API_PROXIES", "10.0.0.1/8"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    message = refused.value.format_message()
    assert name in message
    may_hold_a_password = name in {"CRYPTOPATTERN_DATABASE_URL", "CRYPTOPATTERN_BROKER_URL"}
    assert (value in message) is not may_hold_a_password
    assert "\n" not in message


def test_everything_local_lies_in_the_data_folder(empty_place: Path) -> None:
    settings = load_settings()
    data = empty_place / "data"
    assert settings.landing_folder == data / "landing"
    assert settings.store_root == str(data / "store")
    assert settings.postgres_folder == data / "postgres"


def test_embedded_is_a_name_for_the_servers_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", "embedded")
    assert load_settings().database_url is None
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", "postgres://u@h/d")
    assert load_settings().database_url == "postgresql://u@h/d"


def test_secrets_are_read_from_files_of_their_names(empty_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_place / "secrets").mkdir()
    (empty_place / "secrets" / "CRYPTOPATTERN_DATABASE_PASSWORD").write_text("p@ss/word:1\n")
    (empty_place / "secrets" / "CRYPTOPATTERN_API_KEYS").write_text(f"desk:{'a' * 64}\n")
    (empty_place / "secrets" / "COINGLASS_API_KEY").write_text("of the file")
    monkeypatch.setenv("COINGLASS_API_KEY", "of the environment")
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", "postgresql://u@h:5/d?sslmode=require")
    settings = load_settings()
    assert settings.database_url == "postgresql://u:p%40ss%2Fword%3A1@h:5/d?sslmode=require"
    assert settings.api_keys == {"a" * 64: "desk"}
    assert settings.coinglass_api_key.get_secret_value() == "of the environment"
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", "postgresql://u:other@h/d")
    assert load_settings().database_url == "postgresql://u:other@h/d"
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", "postgresql://h/d")
    with pytest.raises(SettingsError, match="needs a user in CRYPTOPATTERN_DATABASE_URL") as refused:
        load_settings()
    assert "p@ss" not in refused.value.format_message()
    monkeypatch.setenv("CRYPTOPATTERN_DATABASE_URL", "embedded")
    assert load_settings().database_url is None
