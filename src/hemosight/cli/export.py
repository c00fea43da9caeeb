"""``hemosight export``: what a review holds, out of a running service, as a file for another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hemosight.cli.fetching import exported
from hemosight.cli.outputs import check_file
from hemosight.cli.progress import bars
from hemosight.errors import RequestFailed

if TYPE_CHECKING:
    import httpx

Form = Literal["labels", "csv", "parquet", "json", "folder", "coco", "fiftyone", "label-studio"]


def export(
    project: Annotated[int, typer.Argument(help="Number of the project, as in its address.")],
    out: Annotated[Path, typer.Option("--out", help="File to write: a table, JSON or a zip, as the form has it.")],
    to: Annotated[
        Form,
        typer.Option("--to", help="What for: labels (people's, as CSV), all as a table, or another program's form."),
    ] = "labels",
    address: Annotated[
        str, typer.Option("--address", envvar="HEMOSIGHT_ADDRESS", help="Where the service is.")
    ] = "http://127.0.0.1:8321",
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="HEMOSIGHT_TOKEN", help="API token; none for a service with --no-login."),
    ] = None,
    case: Annotated[int | None, typer.Option("--case", help="One case by its number; all where left away.")] = None,
    label_set: Annotated[str, typer.Option("--label-set", help="Whose labels and readings.")] = "cell_type",
    bom: Annotated[bool, typer.Option("--bom", help="Begin CSV with UTF-8's byte order mark, for Excel.")] = False,
) -> None:
    """Take a project away from a running review service.

    Forms `labels`, `fiftyone` and `label-studio` hold as labels what people said alone, and read back with `--support`
    and `data add`: the table or labels.json beside the pictures, tasks.json as Label Studio exports it.
    """
    import httpx

    check_file(out)
    wanted = {"format": to, "case": case, "label_set": label_set, "bom": bom}
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    part = out.with_name(f".{out.name}.part")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            httpx.Client(headers=headers, timeout=httpx.Timeout(300, connect=10)) as client,
            exported(client, address, project, wanted, _require) as answer,
            bars("fetching", in_bytes=True) as (_, (progress,)),
            part.open("wb") as file,
        ):
            for piece in answer.iter_bytes():
                file.write(piece)
                progress(file.tell(), int(answer.headers.get("content-length", file.tell())))
        part.replace(out)  # a file that broke off is never taken for a whole one
    except httpx.HTTPError as error:
        raise _refused(address, str(error) or type(error).__name__) from error
    finally:
        part.unlink(missing_ok=True)
    typer.echo(f"project {project} as {to} -> {out}")


def _require(answer: httpx.Response, place: str) -> None:
    if answer.is_error:
        raise _refused(place, f"status {answer.status_code}: {answer.text[:300]}")


def _refused(place: str, came: str) -> RequestFailed:
    return RequestFailed(
        code="export_failed",
        expected=f"an export from {place}",
        came=came,
        mend="Start the service, or say where it is (--address) and who asks (--token, HEMOSIGHT_TOKEN).",
    )
