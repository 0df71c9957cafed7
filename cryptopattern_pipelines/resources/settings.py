"""Every setting, read once from the environment and `.env`, and refused by name when its value is wrong.

What belongs here: names, types, defaults and what they mean. What does not: what is done with them.
"""

import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

import click
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.sources import DotEnvSettingsSource
from upath.registry import available_implementations

from cryptopattern_pipelines.market.choice import choice_of
from cryptopattern_pipelines.market.symbols import parse

PROJECT = Path(__file__).resolve().parents[2]
DATA_VARIABLE = "CRYPTOPATTERN_DATA"
DATABASE_VARIABLE = "CRYPTOPATTERN_DATABASE_URL"
PASSWORD_VARIABLE = "CRYPTOPATTERN_DATABASE_PASSWORD"  # noqa: S105 - its name
SECRETS_VARIABLE = "CRYPTOPATTERN_SECRETS"
BROKER_VARIABLE = "CRYPTOPATTERN_BROKER_URL"
API_KEYS_VARIABLE = "CRYPTOPATTERN_API_KEYS"
SENTRY_VARIABLE = "CRYPTOPATTERN_SENTRY_DSN"

LogFormat = Literal["text", "json"]


class SettingsError(click.ClickException):
    """A setting has a value that can't be used; the message names it."""


def _named(name: str) -> Any:
    """A field that is read from the environment variable of that name, or given by its own name in Python."""
    return AliasChoices(name, name.removeprefix("CRYPTOPATTERN_").lower())


def data_folder() -> Path:
    """The folder that a local installation keeps everything in: `CRYPTOPATTERN_DATA`, else `data/local`."""
    return Path(os.environ.get(DATA_VARIABLE) or PROJECT / "data" / "local").expanduser().resolve()


class Settings(BaseSettings):
    """The project's settings.

    They come, first found first taken, from `settings.env` in the data folder (which `make demo` writes to its own, so
    that nothing else can mix it up with real data), from the environment, from `.env` in the working folder, and from
    files named like them in the folder `CRYPTOPATTERN_SECRETS` (`/run/secrets`, where containers find theirs).
    """

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True, env_ignore_empty=True)

    data: Path = Field(
        default_factory=data_folder,
        validation_alias=_named(DATA_VARIABLE),
        description="folder that keeps the store, the embedded Postgres, Dagster's home and the landing folder",
    )
    landing: Path | None = Field(
        default=None,
        validation_alias=_named("CRYPTOPATTERN_LANDING"),
        description="folder that screenshots are put into; `landing` in the data folder when not set",
    )
    screenshot_timezone: ZoneInfo = Field(
        default=ZoneInfo("UTC"),
        validation_alias=_named("CRYPTOPATTERN_SCREENSHOT_TIMEZONE"),
        description="where the clock stood that a file's name or EXIF data tells without an offset, e.g. Europe/Berlin",
    )
    store_url: str = Field(
        default="",
        validation_alias=_named("CRYPTOPATTERN_STORE_URL"),
        description="root of the Parquet store, a folder or an fsspec URL such as s3://bucket/prefix",
    )
    database_url: str | None = Field(
        default=None,
        validation_alias=_named(DATABASE_VARIABLE),
        description="libpq URL of a Postgres server; the embedded one is started when not set, or set to `embedded`",
    )
    database_password: SecretStr | None = Field(
        default=None,
        validation_alias=_named(PASSWORD_VARIABLE),
        description="password for that server, where the URL bears none: best kept in a file of its own",
    )
    market_source: Literal["live", "archive", "archive+live"] = Field(
        default="live",
        validation_alias=_named("CRYPTOPATTERN_MARKET_SOURCE"),
        description="where market data is from: the venues' REST interfaces, Binance's public archive, or the archive "
        "and, for what it lacks, REST",
    )
    archive: str = Field(
        default="https://data.binance.vision",
        validation_alias=_named("CRYPTOPATTERN_ARCHIVE"),
        description="the archive: a mirror's address or a folder of the same layout",
    )
    symbols: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("BTC", "ETH", "SOL"),
        min_length=1,
        validation_alias=_named("CRYPTOPATTERN_SYMBOLS"),
        description="coins to follow, comma between; top:100 for the most traded ones of the day before",
    )
    learn_from: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        validation_alias=_named("CRYPTOPATTERN_LEARN_FROM"),
        description="coins that forecast models learn from, comma between; none for all that are followed",
    )
    binance_spot_url: str = Field(
        default="https://api.binance.com",
        validation_alias=_named("CRYPTOPATTERN_BINANCE_SPOT_URL"),
        description="base address of Binance's spot REST interface",
    )
    binance_usdm_url: str = Field(
        default="https://fapi.binance.com",
        validation_alias=_named("CRYPTOPATTERN_BINANCE_USDM_URL"),
        description="base address of Binance's USD-M futures REST interface",
    )
    okx_url: str = Field(
        default="https://www.okx.com",
        validation_alias=_named("CRYPTOPATTERN_OKX_URL"),
        description="base address of OKX's REST interface",
    )
    venues: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("binance", "okx", "gate", "coinglass"),
        min_length=1,
        validation_alias=_named("CRYPTOPATTERN_VENUES"),
        description="venues that are asked, comma between; leave one out that your network can't reach",
    )
    gate_url: str = Field(
        default="https://api.gateio.ws",
        validation_alias=_named("CRYPTOPATTERN_GATE_URL"),
        description="base address of Gate's REST interface, for liquidations",
    )
    coinglass_url: str = Field(
        default="https://open-api-v4.coinglass.com",
        validation_alias=_named("CRYPTOPATTERN_COINGLASS_URL"),
        description="base address of CoinGlass' interface, for liquidations",
    )
    coinglass_api_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=_named("COINGLASS_API_KEY"),
        description="key for CoinGlass; without one it isn't asked",
    )
    keep_raw_answers: bool = Field(
        default=False,
        validation_alias=_named("CRYPTOPATTERN_KEEP_RAW_ANSWERS"),
        description="whether every answer of a venue is kept as it came, beside the tables",
    )
    automation: bool = Field(
        default=True,
        validation_alias=_named("CRYPTOPATTERN_AUTOMATION"),
        description="whether schedules and sensors are on when the UI comes up",
    )
    broker_url: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=_named(BROKER_VARIABLE),
        description="address of a Redis, e.g. redis://host:6379/0: runs then go to workers by Celery (docs/cluster.md)",
    )
    workers: int = Field(
        default=2,
        ge=1,
        validation_alias=_named("CRYPTOPATTERN_WORKERS"),
        description="runs that Celery's workers do at once, all of them together",
    )
    port: int = Field(
        default=3000,
        ge=1,
        le=65535,
        validation_alias=_named("CRYPTOPATTERN_PORT"),
        description="port of the Dagster UI",
    )
    notify: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        validation_alias=_named("CRYPTOPATTERN_NOTIFY"),
        description="where failures are told: addresses as Apprise reads them, blank between, e.g. tgram://token/chat",
    )
    alerts: Path | None = Field(
        default=None,
        validation_alias=_named("CRYPTOPATTERN_ALERTS"),
        description="file of the rules for alerts; `alerts.toml` in the data folder, where it is there, when not set",
    )
    public_url: str = Field(
        default="http://127.0.0.1:5000",
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        validation_alias=_named("CRYPTOPATTERN_PUBLIC_URL"),
        description="address under which people reach the pages (`make serve`), for links in alerts",
    )
    log_format: LogFormat = Field(
        default="text",
        validation_alias=_named("CRYPTOPATTERN_LOG_FORMAT"),
        description="text for people, or json: a line an event, for what collects logs",
    )
    sentry_dsn: SecretStr | None = Field(
        default=None,
        validation_alias=_named(SENTRY_VARIABLE),
        description="where errors are reported: a project's address at Sentry, or at what speaks its protocol",
    )
    liquidation_dominance_threshold: float = Field(
        default=70.0,
        gt=50,
        le=100,
        validation_alias=_named("LIQUIDATION_DOMINANCE_THRESHOLD"),
        description="share at which one side's liquidations dominate, percent",
    )
    volume_spike_threshold: float = Field(
        default=50.0,
        ge=0,
        validation_alias=_named("VOLUME_SPIKE_THRESHOLD"),
        description="change of the 24h volume above which it is a spike, percent",
    )
    confidence_threshold: float = Field(
        default=75.0,
        ge=0,
        le=100,
        validation_alias=_named("CONFIDENCE_THRESHOLD"),
        description="score from which, with three signals, an analysis is HIGH_CONFIDENCE",
    )
    max_reading_age_hours: float = Field(
        default=24.0,
        gt=0,
        le=168,
        validation_alias=_named("CRYPTOPATTERN_MAX_READING_AGE_HOURS"),
        description="how old a picture may be at an hour's end to still say something of it",
    )
    target_sigmas: float = Field(
        default=1.0,
        gt=0,
        validation_alias=_named("CRYPTOPATTERN_TARGET_SIGMAS"),
        description="move that wins, in trailing sigmas of the timeframe",
    )
    stop_sigmas: float = Field(
        default=1.0,
        gt=0,
        validation_alias=_named("CRYPTOPATTERN_STOP_SIGMAS"),
        description="move against a claim that loses, in the same sigmas",
    )
    fee_bps: float = Field(
        default=5.0,
        ge=0,
        validation_alias=_named("CRYPTOPATTERN_FEE_BPS"),
        description="fee of an entry, and again of an exit, basis points",
    )
    slippage_bps: float = Field(
        default=2.0,
        ge=0,
        validation_alias=_named("CRYPTOPATTERN_SLIPPAGE_BPS"),
        description="slippage of an entry, and again of an exit, basis points",
    )
    max_content_length: int = Field(
        default=16 * 1024 * 1024,
        gt=0,
        validation_alias=_named("MAX_CONTENT_LENGTH"),
        description="largest picture that is read, bytes",
    )
    allowed_extensions: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("png", "jpg", "jpeg", "webp", "gif", "bmp"),
        min_length=1,
        validation_alias=_named("ALLOWED_EXTENSIONS"),
        description="endings of the file names that are taken for pictures, comma between",
    )

    api_keys: Annotated[dict[str, str], NoDecode] = Field(
        default={},
        validation_alias=_named(API_KEYS_VARIABLE),
        description="keys of the REST service: NAME:HASH, comma between, as `cryptopattern api-key NAME` prints them",
    )
    api_key_for_reads: bool = Field(
        default=False,
        validation_alias=_named("CRYPTOPATTERN_API_KEY_FOR_READS"),
        description="whether the REST service wants a key for reading, too, once there are keys",
    )
    api_reads_per_minute: int = Field(
        default=1200,
        ge=1,
        validation_alias=_named("CRYPTOPATTERN_API_READS_PER_MINUTE"),
        description="requests a minute of one key or address that the REST service answers",
    )
    api_writes_per_minute: int = Field(
        default=30,
        ge=1,
        validation_alias=_named("CRYPTOPATTERN_API_WRITES_PER_MINUTE"),
        description="the same of requests that send pictures",
    )
    api_max_body: int = Field(
        default=64 * 1024 * 1024,
        gt=0,
        validation_alias=_named("CRYPTOPATTERN_API_MAX_BODY"),
        description="largest request that the REST service takes, all its pictures together, bytes",
    )
    api_body_seconds: float = Field(
        default=60.0,
        gt=0,
        validation_alias=_named("CRYPTOPATTERN_API_BODY_SECONDS"),
        description="seconds within which a request must have come whole",
    )
    api_cors: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        validation_alias=_named("CRYPTOPATTERN_API_CORS"),
        description="origins whose pages may use the REST service, comma between, e.g. https://desk.example",
    )
    api_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        validation_alias=_named("CRYPTOPATTERN_API_PROXIES"),
        description="addresses or networks of proxies before the REST service, whose X-Forwarded-For it believes",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the data folder's own file before the environment, then `.env` of the working folder, then secrets."""
        own, working = (
            DotEnvSettingsSource(settings_cls, env_file=file) for file in (data_folder() / "settings.env", Path(".env"))
        )
        folder = Path(os.environ.get(SECRETS_VARIABLE) or "/run/secrets")
        secrets = [SecretsSettingsSource(settings_cls, secrets_dir=folder)] if folder.is_dir() else []
        return (init_settings, own, env_settings, working, *secrets)

    @field_validator("symbols", "learn_from", "allowed_extensions", "venues", "api_cors", "api_proxies", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("notify", mode="before")
    @classmethod
    def _split_blanks(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("api_keys", mode="before")
    @classmethod
    def _keys_by_hash(cls, value: object) -> object:
        """`NAME:HASH, …` as names by hash: a key's hash is what is looked up."""
        if not isinstance(value, str):
            return value
        keys = {}
        for part in filter(None, (part.strip() for part in value.split(","))):
            match = re.fullmatch(r"([\w.-]{1,40}):([0-9a-fA-F]{64})", part)
            if match is None:
                raise ValueError("must be NAME:HASH, comma between: `cryptopattern api-key NAME` makes a key")
            keys[match[2].lower()] = match[1]
        return keys

    @field_validator("symbols")
    @classmethod
    def _symbols_are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(choice_of(value))

    @field_validator("learn_from")
    @classmethod
    def _coins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({parse(text).coin for text in value}))

    @field_validator("venues")
    @classmethod
    def _venues_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from cryptopattern_pipelines.market.live import VENUES  # noqa: PLC0415 - loads every venue's module

        strange = [name for name in value if name not in VENUES]
        if strange:
            raise ValueError(f"there is no venue {', '.join(strange)}: there are {', '.join(VENUES)}")
        return value

    @field_validator("allowed_extensions")
    @classmethod
    def _extensions_without_dot(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.lower().lstrip(".") for name in value))

    @field_validator("data", "landing", "alerts", mode="before")
    @classmethod
    def _lies_here(cls, value: object) -> object:
        if isinstance(value, str) and "://" in value:
            raise ValueError(
                "must lie on this machine; what may lie elsewhere is the store, by CRYPTOPATTERN_STORE_URL"
            )
        return value

    @field_validator("store_url")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        kind, address, _ = value.partition("://")
        if address and kind not in available_implementations(fallback=True):
            raise ValueError(f"is neither a folder nor an address that fsspec knows: {kind}:// is none")
        return value

    @field_validator("data", "landing", "alerts")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().resolve() if value else None

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: str | None) -> str | None:
        if value == "embedded":
            return None
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("must be a libpq URL that begins with postgresql://, or embedded")
        return value.replace("postgres://", "postgresql://", 1) if value else None

    @field_validator("broker_url")
    @classmethod
    def _is_redis(cls, value: SecretStr) -> SecretStr:
        address = value.get_secret_value()
        if address and not address.startswith(("redis://", "rediss://")):
            raise ValueError("must be the address of a Redis that begins with redis:// or rediss://")
        return value

    @field_validator("sentry_dsn")
    @classmethod
    def _is_a_projects_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return value
        try:
            from sentry_sdk.utils import BadDsn, Dsn  # noqa: PLC0415 - an extra
        except ImportError:
            raise ValueError("needs sentry-sdk: .venv/bin/pip install -c constraints.txt sentry-sdk") from None
        try:
            Dsn(value.get_secret_value())
        except BadDsn:
            raise ValueError("must be a project's address, as https://KEY@HOST/NUMBER") from None
        return value

    @field_validator("api_proxies")
    @classmethod
    def _proxies_are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ip_network(each)  # a name, or `*`, would have it believe whoever writes the header
        return value

    @model_validator(mode="after")
    def _url_with_password(self) -> Self:
        if self.database_url is not None and self.database_password is not None:
            parts = urlsplit(self.database_url)
            if parts.password is None:
                user, at, server = parts.netloc.rpartition("@")
                if not at:
                    raise ValueError(
                        f"{PASSWORD_VARIABLE} needs a user in {DATABASE_VARIABLE}: postgresql://user@host/…"
                    )
                secret = quote(self.database_password.get_secret_value(), safe="")
                self.database_url = urlunsplit(parts._replace(netloc=f"{user}:{secret}@{server}"))
        return self

    @property
    def landing_folder(self) -> Path:
        """Where screenshots are put."""
        return self.landing or self.data / "landing"

    @property
    def store_root(self) -> str:
        """Root of the Parquet store."""
        return self.store_url or str(self.data / "store")

    @property
    def dagster_home(self) -> Path:
        """Dagster's home folder."""
        return self.data / "dagster"

    @property
    def postgres_folder(self) -> Path:
        """Folder of the embedded server."""
        return self.data / "postgres"


def load_settings(**given: Any) -> Settings:
    """Read the settings; values given here come before all others.

    Raises:
        SettingsError: a value can't be used; the message names the setting, the value and what is wrong with it.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}{_shown(problem)}: {problem['msg']}" for problem in error.errors()
        )
        raise SettingsError(f"wrong setting: {wrong}") from None


def _shown(problem: Any) -> str:
    """The wrong value, but for an address, which may hold a password, and keys."""
    hidden = {
        DATABASE_VARIABLE,
        PASSWORD_VARIABLE,
        BROKER_VARIABLE,
        API_KEYS_VARIABLE,
        SENTRY_VARIABLE,
        "sentry_dsn",
        "COINGLASS_API_KEY",
    } & set(problem["loc"])
    # A rule on several settings at once would show them all.
    return "" if hidden or not problem["loc"] else f"={problem['input']!r}"
