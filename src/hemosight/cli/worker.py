"""``hemosight worker``: one more process that reads, here or on another machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def worker(
    database: Annotated[
        str | None, typer.Option("--database", help="DSN of the service's PostgreSQL; else the embedded one's.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Folder of the embedded PostgreSQL, where that is used.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="Bundle to read with; the built-in one.")] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Processor threads to compute with [default: all].")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What it is called [default: machine-process].")] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", help="File of settings: TOML, or KEY=value in a .env.")
    ] = None,
) -> None:
    """Read what is uploaded to the review service, beside the workers it starts itself.

    Any number may run, on any machine that reaches the database; each image is read once. It stops on Ctrl-C or
    SIGTERM after what it has in hand; killed outright, it loses nothing, and others do its work within seconds.
    """
    from contextlib import ExitStack

    from hemosight.service.bundle_registry import BundleRegistry
    from hemosight.service.operations import logs
    from hemosight.service.settings import load
    from hemosight.service.storage.database import Database
    from hemosight.service.storage.embedded import embedded
    from hemosight.service.work import worker_process

    resolved = load(settings, data_dir=data_dir, database=database, bundle=bundle, threads=threads)
    logs.configure_from(resolved)
    with ExitStack() as stack:
        dsn = (
            resolved.database.get_secret_value()
            if resolved.database is not None
            else stack.enter_context(embedded(resolved.data_dir))
        )
        opened = Database(dsn, pool=4)
        stack.callback(opened.close)
        registry = BundleRegistry(resolved.bundle, resolved.threads, resolved.backend)
        worker_process.run(opened, registry, name)
