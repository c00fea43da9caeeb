"""Settings of the review service: from options, the environment, a file, and defaults, in this order.

Every field is an environment variable ``HEMOSIGHT_<NAME>`` and a key of the settings file (TOML, or ``KEY=value``
lines where it ends in ``.env``). docs/reference/settings.md is written from here by ``make_settings.py``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hemosight.errors import PathMissing
from hemosight.service.errors import ServiceFault
from hemosight.service.sign_in_settings import SignInSettings, is_loopback

PREFIX = "HEMOSIGHT_"
_MIB = 1 << 20
_SEGMENT = re.compile(r"(?!\.+$)[A-Za-z0-9._-]+")
"""What stands between two slashes of a sub-path: it goes into addresses, HTML and a cookie's name as it is."""
_TAKEN = frozenset({"api", "assets", "healthz", "readyz", "metrics"})


class Settings(SignInSettings):
    """The settings of the service. Nothing here is secret but the database's address."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    # --- where things are ---
    data_dir: Path | None = Field(
        None,
        description="Folder of the embedded PostgreSQL; where not given, `hemosight` in the XDG data folder, and "
        "`/var/lib/hemosight` of root.",
    )
    database: SecretStr | None = Field(
        None, description="Address (DSN) of another PostgreSQL, used instead of the embedded one."
    )
    bundle: Path | None = Field(None, description="Bundle to read with; the one that comes with HemoSight.")

    # --- who is answered ---
    host: str = Field("127.0.0.1", description="Address to listen on. Anything but loopback needs accounts.")
    port: int = Field(8321, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    root_path: str = Field(
        "",
        description="Sub-path that a proxy serves HemoSight under, such as `/hemosight`; requests are answered with "
        "and without it, so the proxy may pass it on or take it off.",
    )
    login: bool = Field(True, description="Whether people sign in; without, one local person, on loopback only.")
    allowed_hosts: list[str] = Field(
        [],
        description="Host names that requests may be addressed to, as a JSON list. On loopback its own names always "
        "count, and no others unless named here; elsewhere any name counts until one is named.",
    )
    behind_tls: bool = Field(
        False, description="Whether browsers come over https (a proxy ends it): cookies are then never sent without."
    )
    tls_certificate: Path | None = Field(
        None,
        description="File with a certificate and its chain (PEM), to answer https without a proxy; cookies are then "
        "never sent without. It is read when the service starts.",
    )
    tls_key: Path | None = Field(None, description="File with the key of `tls_certificate` (PEM, without a password).")
    trusted_proxies: list[str] = Field(
        [],
        description="Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; nobody's, until "
        'they are named. A proxy on this machine is `["127.0.0.1"]`.',
    )

    request_seconds: float = Field(
        30,
        gt=0,
        description="Seconds in which a request's head has to come, and each further 16 kB of its body; slower ones "
        "end.",
    )
    connections_address: int = Field(
        1000,
        ge=16,
        description="Connections that one address (of IPv6: one /64) may hold at a time. Where half of the files and "
        "connections that the process may hold is less (`ulimit -Hn`, of which it takes 65,536 at most), that half "
        "counts (as 64 where it is below). Trusted proxies may hold any number.",
    )
    streams_account: int = Field(
        100, ge=1, description="Streams of live events, one a tab of the page, that one account may hold open."
    )

    # --- signing in ---
    session_idle_hours: float = Field(
        12, gt=0, description="Hours without a request after which a person signs in again."
    )
    session_days: float = Field(7, gt=0, description="Days after which a person signs in again whatever happened.")
    password_length: int = Field(10, ge=8, le=128, description="Fewest characters of a new password.")
    login_tries: int = Field(
        5, ge=1, description="Wrong passwords for one name, from one address or known browser, before it has to wait."
    )
    login_tries_address: int = Field(
        20,
        ge=1,
        description="Wrong passwords from one address, for any names, before it has to wait; browsers on "
        "which a person signed in before do not count.",
    )
    login_tries_name: int = Field(
        50, ge=1, description="Wrong passwords for one name from anywhere before strange browsers are slowed down."
    )
    login_wait: float = Field(900, gt=0, description="Longest wait after wrong passwords, in seconds.")
    login_wait_name: float = Field(
        10,
        gt=0,
        description="Longest wait for a name after wrong passwords that came from elsewhere: no lock, a brake.",
    )

    # --- work ---
    workers: int = Field(1, ge=0, le=64, description="Worker processes that `hemosight serve` starts.")
    worker_silence_seconds: float = Field(
        300,
        gt=0,
        description="Seconds for which a worker may not move (a batch that does not end, no sign of life at all) "
        "before it is ended and started again.",
    )
    threads: int | None = Field(
        None, ge=1, description="Processor threads a worker computes with; all where not given."
    )
    backend: Literal["auto", "onnxruntime", "openvino", "openvino-bf16"] | None = Field(
        None,
        description="What computes embeddings; `auto`, and where not given, what a worker measures to be the quickest "
        "on its machine when it first starts, in the background.",
    )
    pool: int = Field(
        10, ge=2, le=200, description="Database connections this process keeps; twice as many under load."
    )

    # --- limits of uploads ---
    max_file_bytes: int = Field(16 * _MIB, ge=1, description="Bytes of one picture.")
    max_pixels: int = Field(16_000_000, ge=256, description="Pixels of one picture.")
    max_request_bytes: int = Field(512 * _MIB, ge=1, description="Bytes of one request with files.")
    max_request_files: int = Field(2_000, ge=1, description="Files in one request, zips counted once.")
    max_zip_bytes: int = Field(4096 * _MIB, ge=1, description="Bytes a zip may unpack to.")
    max_zip_files: int = Field(50_000, ge=1, description="Entries of one zip.")
    max_zip_ratio: float = Field(100, ge=1, description="How many times larger than packed an entry of a zip may be.")

    # --- the disk of the embedded PostgreSQL ---
    disk_warn_bytes: int = Field(
        2048 * _MIB, ge=0, description="Free bytes on the disk of the data below which administrators are warned."
    )
    disk_stop_bytes: int = Field(
        512 * _MIB, ge=0, description="Free bytes below which uploads are refused, so that labels can still be written."
    )

    # --- retention ---
    retention_days: float | None = Field(
        None,
        gt=0,
        description="Days after which cases and cells that nobody signed are deleted, counted from the last upload or "
        "label; never where not given.",
    )

    # --- backups ---
    backup_dir: Path | None = Field(None, description="Folder for backups from time to time; none where not given.")
    backup_hours: float = Field(24, gt=0, description="Hours between two backups.")
    backup_keep: int = Field(14, ge=1, description="Good backups that are kept; older ones are removed.")
    backup_check: bool = Field(
        True, description="Whether each is restored on trial, beside it, which takes as much room again for a while."
    )

    # --- operations ---
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["json", "text"] = Field("json", description="One JSON object a line, or text for a person.")
    log_file: Path | None = Field(
        None,
        description="File to log to, instead of stderr; workers log beside it, under its name and their number.",
    )
    log_file_bytes: int = Field(16 * _MIB, ge=4096, description="Bytes after which a log file is begun anew.")
    log_files: int = Field(5, ge=1, le=1000, description="Earlier log files that are kept, as FILE.1, FILE.2 ...")
    open_metrics: bool = Field(
        False, description="Whether /metrics answers anybody; otherwise an administrator or an admin token."
    )
    stop_seconds: float = Field(
        10, gt=0, description="Seconds after which the program has ended when it is told to stop, whatever is broken."
    )

    @field_validator("root_path")
    @classmethod
    def _is_a_path(cls, given: str) -> str:
        """With a slash before and none behind, whatever was typed; empty at the root."""
        segments = [part for part in given.strip().split("/") if part]
        if not all(_SEGMENT.fullmatch(part) for part in segments):
            raise ValueError("a path such as /hemosight, of letters, digits, dots, hyphens and underscores")
        if segments and segments[0] in _TAKEN:
            raise ValueError(f"a path that does not begin with /{segments[0]}, which HemoSight has a meaning for")
        return "".join(f"/{part}" for part in segments)

    @model_validator(mode="after")
    def _nobody_comes_in_without_a_name(self) -> Settings:
        if not self.login and not self.loopback:
            raise ValueError("without login only a loopback host (127.0.0.1, ::1, localhost) may be served")
        return self

    @model_validator(mode="after")
    def _a_certificate_has_its_key(self) -> Settings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            given, missing = ("tls_certificate", "tls_key")[:: 1 if self.tls_key is None else -1]
            raise ValueError(f"{given} needs {missing}")
        return self

    @property
    def over_tls(self) -> bool:
        """Whether browsers come over https, ended here or by a proxy."""
        return self.behind_tls or self.tls_certificate is not None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options, then the environment; a file is put behind them by :func:`load`."""
        return init_settings, env_settings


def load(file: Path | None = None, **given: Any) -> Settings:
    """Settings from options that are not None, the environment, a file and the defaults.

    Raises :class:`~hemosight.errors.PathMissing` and :class:`~hemosight.service.errors.ServiceFault`.
    """
    kind = Settings
    if file is not None:
        if not file.is_file():
            raise PathMissing(path=file, cwd=Path.cwd(), what="a file of settings")
        kind = _with_file(file)
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "the settings together"
        # The value itself may be a password.
        raise _fault(name, first["msg"]) from None
    except ValueError as error:
        raise _fault(str(file or PREFIX + "*"), str(error)) from None


def _fault(name: str, reason: str) -> ServiceFault:
    return ServiceFault(
        "bad_service_setting",
        expected="settings as in docs/reference/settings.md",
        came=f"{name}: {reason}",
        mend="Mend it among the options, the HEMOSIGHT_* environment variables, or the settings file.",
    )


def defaults() -> Settings:
    """The settings of whoever sets nothing, whatever the environment says."""
    return Settings.model_construct(**{name: field.default for name, field in Settings.model_fields.items()})  # type: ignore[arg-type] -- values of every field


def _with_file(file: Path) -> type[Settings]:
    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            source = (
                DotEnvSettingsSource(settings_cls, env_file=file)
                if file.suffix == ".env" or file.name == ".env"
                else TomlConfigSettingsSource(settings_cls, toml_file=file)
            )
            return init_settings, env_settings, source

    return FromFile
