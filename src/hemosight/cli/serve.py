"""``hemosight serve`` and ``hemosight service``: the review service, and looking after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hemosight.service.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Look after the review service: first account, backup, restore, upgrade.")

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder of the embedded PostgreSQL [default: hemosight in the XDG data folder; root: /var/lib/hemosight].",
    ),
]
Dsn = Annotated[str | None, typer.Option("--database", help="DSN of another PostgreSQL instead of the embedded one.")]
File = Annotated[Path | None, typer.Option("--settings", help="File of settings: TOML, or KEY=value in a .env.")]


def serve(
    data_dir: DataDir = None,
    database: Dsn = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle to read with; the built-in one.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on [default: 127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one [default: 8321].")
    ] = None,
    root_path: Annotated[
        str | None,
        typer.Option("--root-path", help="Sub-path that a proxy serves it under, such as /hemosight [default: none]."),
    ] = None,
    no_login: Annotated[
        bool, typer.Option("--no-login", help="One local person, without signing in; on loopback only.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", min=0, max=64, help="Worker processes to start [default: 1].")
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Start no worker; `hemosight worker` runs elsewhere.")
    ] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    settings: File = None,
) -> None:
    """Serve the review page and its API: one command, a database included.

    Listens on this machine only. The first run prints a link that makes the first administrator. Ctrl-C stops it in
    good order. Every setting: docs/reference/settings.md.
    """
    from hemosight.service import serving
    from hemosight.service.settings import load

    resolved = load(
        settings,
        data_dir=data_dir,
        database=database,
        bundle=bundle,
        host=host,
        port=port,
        root_path=root_path,
        login=False if no_login else None,
        workers=0 if no_worker else workers,
    )
    serving.serve(resolved, typer.echo, open_page=open_page)


@app.command("first-link")
def first_link(data_dir: DataDir = None, database: Dsn = None, settings: File = None) -> None:
    """Print a new one-time link that makes the first administrator; older ones cease to work."""
    from hemosight.service import serving

    resolved = _settings(settings, data_dir, database)
    with serving.open_database(resolved) as opened:
        link = serving.first_link(resolved, opened, serving.url(resolved))
    typer.echo(link or "There is an administrator already: `hemosight service admin NAME` makes another.")


@app.command("admin")
def admin(
    name: Annotated[str, typer.Argument(help="Name to sign in with; an account of this name becomes administrator.")],
    display: Annotated[str | None, typer.Option("--display", help="Name that others read [default: NAME].")] = None,
    password: Annotated[
        str | None,
        typer.Option("--password-file", help="File whose first line is the password; asked for where not given."),
    ] = None,
    data_dir: DataDir = None,
    database: Dsn = None,
    settings: File = None,
) -> None:
    """Make an administrator, or give one a new password."""
    from hemosight.service import accounts, serving

    if password is None:
        secret = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        secret = Path(password).read_text(encoding="utf-8").splitlines()[0]
    resolved = _settings(settings, data_dir, database)
    with serving.open_database(resolved) as opened:
        made = accounts.make_administrator(opened, name, display, secret, resolved.password_length)
    typer.echo(f"{name} {'is a new administrator' if made else 'is an administrator, with the new password'}.")


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="File to write; everything is in it, pictures and accounts too.")],
    data_dir: DataDir = None,
    database: Dsn = None,
    settings: File = None,
) -> None:
    """Write the whole service into one file, while it runs or not."""
    from hemosight.service import serving
    from hemosight.service.operations.backup import backup as write

    with serving.open_database(_settings(settings, data_dir, database)) as opened:
        size = write(opened, file)
    typer.echo(f"{size:,} bytes -> {file}")


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `hemosight service backup` wrote.")],
    data_dir: DataDir = None,
    database: Dsn = None,
    settings: File = None,
) -> None:
    """Fill an empty data directory, or an empty database, from a backup."""
    from hemosight.service import serving
    from hemosight.service.operations.backup import restore as fill

    with serving.open_database(_settings(settings, data_dir, database), migrate=False) as opened:
        fill(opened, file)
    typer.echo(f"restored from {file}; start `hemosight serve` with the same options")


@app.command("check-backup")
def check_backup(
    file: Annotated[Path, typer.Argument(help="A file that `hemosight service backup` wrote.")],
) -> None:
    """Restore a backup on trial, into a scratch database beside it; prints what was in it, and removes it again."""
    import json
    from dataclasses import asdict

    from hemosight.errors import PathMissing
    from hemosight.service.operations.backups import check

    if not file.is_file():
        raise PathMissing(path=file, cwd=Path.cwd(), what="a backup of the service")
    report = check(file)
    typer.echo(json.dumps(asdict(report), indent=2))
    if report.fault is not None:
        raise typer.Exit(1)


@app.command("upgrade")
def upgrade(data_dir: DataDir = None) -> None:
    """Move a data directory to the embedded PostgreSQL of this version; the old folder is kept.

    Only needed where `hemosight serve` says so. Stop the service first.
    """
    from hemosight.service.operations.upgrade import upgrade as move

    move(data_dir, typer.echo)


@app.command("audit")
def audit(data_dir: DataDir = None, database: Dsn = None, settings: File = None) -> None:
    """Go through the whole audit trail and its seals; ends with an error where a row was changed or taken away."""
    from hemosight.service import serving
    from hemosight.service.storage.audit_chain import verify

    with serving.open_database(_settings(settings, data_dir, database)) as opened, opened.session() as session:
        found = verify(session)
    typer.echo(f"{found.rows:,} rows, {found.seals:,} seals, sealed until row {found.sealed_until}; hash {found.head}")
    if not found.intact:
        typer.echo(f"The seal at row {found.broken} does not fit: a row before it was changed, added or taken away.")
        raise typer.Exit(1)


@app.command("openapi")
def openapi() -> None:
    """Print the API's description (OpenAPI, JSON), the same on every machine."""
    import json

    from hemosight.service.app import create_app
    from hemosight.service.settings import defaults
    from hemosight.service.storage.database import Database

    described = create_app(defaults(), Database("")).openapi()
    typer.echo(json.dumps(described, indent=2, sort_keys=True, ensure_ascii=False))


def _settings(file: Path | None, data_dir: Path | None, database: str | None) -> Settings:
    from hemosight.service.settings import load

    return load(file, data_dir=data_dir, database=database)
