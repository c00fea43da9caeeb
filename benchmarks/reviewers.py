"""Many reviewers at one project: how long each request takes, and whether memory stays flat.

A service of its own is filled with images and their readings; every reviewer, a connection of its own, goes on for
the given time: a list, a picture's facts, the next cell, one to three labels, now and then the differential. The
reviewers are shared by a few processes, so that the one that measures is not what is measured::

    python benchmarks/reviewers.py --reviewers 30 --minutes 2
    python benchmarks/reviewers.py --reviewers 30 --minutes 30 --pause 0.5  # a soak: the memory every minute
    python benchmarks/reviewers.py --write                                  # make load: all of them, into the figures
    python benchmarks/reviewers.py --write --only people                    # the two short rounds alone, or --only soak

Between two rounds of requests a reviewer pauses for any time up to ``--pause`` seconds: six make three on average, in
which people look at a cell and press a key; half a second is as fast as the service answers, which nobody works.

``--write`` takes 35 minutes and puts its tables into docs/reference/figures.md; on a machine where others are at work
it refuses, since it would measure them. The load average is printed before and after every run.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import filled
import httpx
import numpy as np
import psutil
import typer

from hemosight.blood.vocabulary import CELL_TYPE
from hemosight.lab.benchmark import machine

KINDS = ("list", "image", "next", "relabel", "differential")
TYPES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "ig", "blast", "erythroblast", "platelet")
CLIENTS = 3
"""Processes that the reviewers are shared by."""
PEOPLE, FLAT_OUT = 6.0, 0.5
"""Longest pauses, in seconds: of people, and of programs that label as fast as they are answered."""
Rounds = tuple[tuple[int, float, float], ...]
ROUNDS: dict[str, Rounds] = {
    "people": ((30, 2.0, PEOPLE), (50, 2.0, PEOPLE)),
    "soak": ((30, 30.0, FLAT_OUT),),
}
"""Reviewers, minutes and longest pause of what is written down."""
GOAL_MS = 250
"""What 95 of 100 requests of each kind are to stay below."""
IDLE = 1.0
"""A load average above this is others' work."""
FIGURES = Path(__file__).parents[1] / "docs" / "reference" / "figures.md"
BEGIN, END = "## Many reviewers\n\n", "## How many labels are enough"
PARTS = {"people": "### As people work\n\n", "soak": "### Half an hour as fast as it answers\n\n"}


def main(
    reviewers: Annotated[int, typer.Option(min=1, help="People who work at the same time.")] = 30,
    images: Annotated[int, typer.Option(min=10, help="Images of the project.")] = 2000,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long they work.")] = 2.0,
    pause: Annotated[float, typer.Option(min=0, help="Longest pause of a reviewer, in seconds.")] = PEOPLE,
    bundle: Annotated[Path | None, typer.Option(help="Bundle to read with; the built-in one.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Every round of the figures, into the figures.")] = False,
    only: Annotated[str | None, typer.Option("--only", help="What to write: people or soak; both.")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Write although others are at work here.")] = False,
) -> None:
    """Measure, and print a table of requests and one of memory."""
    if only is not None and only not in ROUNDS:
        raise typer.BadParameter(f"expected one of {', '.join(ROUNDS)}; found {only}", param_hint="--only")
    if not write:
        run(reviewers, images, minutes, pause, bundle)
        return
    for name in [only] if only else list(ROUNDS):
        before, done = os.getloadavg()[0], list[tuple[int, float, Load]]()
        for people, span, longest in ROUNDS[name]:
            if not accept:
                rest()
            done.append((people, longest, run(people, images, span, longest, bundle)))
        page = FIGURES.read_text(encoding="utf-8")
        FIGURES.write_text(written(page, name, section(name, done, images, before)), encoding="utf-8")


def rest(patience: float = 300.0) -> None:
    """Wait until what came before has left the load average; others' work does not, and ends the program."""
    until = time.monotonic() + patience
    while (now := os.getloadavg()[0]) > IDLE:
        if time.monotonic() > until:
            typer.echo(
                f"expected an idle machine; found a load average of {now:.1f}. Run it when others rest.", err=True
            )
            raise typer.Exit(1)
        time.sleep(5)


def written(page: str, name: str, text: str) -> str:
    """The page of figures with one part of its section written anew."""
    head, _, rest = page.partition(BEGIN)
    own, _, after = rest.partition(END)
    parts = {part: own.partition(title)[2].partition("\n### ")[0].strip("\n") for part, title in PARTS.items()}
    parts[name] = text.strip("\n")
    return head + BEGIN + "\n\n".join(PARTS[part] + said for part, said in parts.items() if said) + "\n\n" + END + after


def run(reviewers: int, images: int, minutes: float, pause: float, bundle: Path | None) -> Load:
    """One round, in a service of its own."""
    folder = Path(tempfile.mkdtemp(prefix="hs-"))
    try:
        with filled.served(folder, bundle) as address:
            project = filled.project(address, folder, "reviewers", images, bundle=bundle)
            print(f"{machine()}\nload average before: {os.getloadavg()[0]:.1f}")
            done = load(address, project, reviewers, 60 * minutes, pause)
            show(done, reviewers, images)
            print(f"load average after: {os.getloadavg()[0]:.1f}")
            if done.memory[0][2] > (os.cpu_count() or 1):
                print("Others were at work on this machine: these are no figures of an idle one.")
            return done
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Load:
    """What reviewers did: seconds of each request by kind, how many failed by status or fault.

    ``memory`` is of the server: seconds since the beginning, bytes, load average.
    """

    found: dict[str, list[float]]
    failed: dict[str, int]
    memory: list[tuple[float, int, float]]


def load(address: str, project: int, reviewers: int, seconds: float, pause: float = PEOPLE) -> Load:
    """Let reviewers work at a project of a running service, which is a child of this process, for so many seconds."""
    server = _server(address)
    memory = [(0.0, server.memory_info().rss, os.getloadavg()[0])]
    begun = time.monotonic()
    # Spawned: whoever calls may have threads, which a fork would leave behind.
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    shares = [len(range(number, reviewers, CLIENTS)) for number in range(min(CLIENTS, reviewers))]
    hands = [
        context.Process(target=_work, args=(address, project, share, seconds, pause, number, queue))
        for number, share in enumerate(shares)
    ]
    for hand in hands:
        hand.start()
    every = 10.0 if seconds <= 300 else 60.0
    while (left := seconds - (time.monotonic() - begun)) > 0:
        time.sleep(min(every, max(0.1, left)))
        memory.append((time.monotonic() - begun, server.memory_info().rss, os.getloadavg()[0]))
    found: dict[str, list[float]] = defaultdict(list)
    failed: dict[str, int] = defaultdict(int)
    for _ in hands:
        times, faults = queue.get(timeout=300)
        for kind, values in times.items():
            found[kind] += values
        for status, count in faults.items():
            failed[status] += count
    for hand in hands:
        hand.join()
    return Load(dict(found), dict(failed), memory)


def _server(address: str) -> psutil.Process:
    port = int(address.rpartition(":")[2])
    for process in psutil.Process().children(recursive=True):
        if any(one.laddr.port == port and one.status == psutil.CONN_LISTEN for one in process.net_connections()):
            return process
    raise RuntimeError(f"nothing of ours listens at {address}")


def _work(address: str, project: int, reviewers: int, seconds: float, pause: float, number: int, queue: Any) -> None:
    times: dict[str, list[float]] = defaultdict(list)
    faults: dict[str, int] = defaultdict(int)
    deadline = time.monotonic() + seconds
    people = [
        threading.Thread(
            target=_review, args=(address, project, deadline, pause, 1000 * number + person, times, faults)
        )
        for person in range(reviewers)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    queue.put((dict(times), dict(faults)))


def _review(
    address: str,
    project: int,
    deadline: float,
    pause: float,
    seed: int,
    times: Mapping[str, list[float]],
    faults: dict[str, int],
) -> None:
    rng = random.Random(seed)  # noqa: S311 -- nothing here is secret
    path = f"/projects/{project}"
    with httpx.Client(base_url=f"{address}/api/v1", timeout=120) as client:
        client.headers["X-CSRF-Token"] = client.get("/session").json()["csrf"]

        def ask(kind: str, method: str, where: str, **given: Any) -> Any:
            began = time.perf_counter()
            try:
                answer = client.request(method, f"{path}{where}", **given)
            except httpx.HTTPError as error:  # a reviewer whose request broke off goes on, and it is counted
                faults[type(error).__name__] += 1
                return {}
            finally:
                times[kind].append(time.perf_counter() - began)
            if answer.status_code != 200:
                faults[str(answer.status_code)] += 1
                return {}
            return answer.json()

        while time.monotonic() < deadline:
            listed = ask("list", "GET", "/images", params={"sort": "uncertainty", "limit": 100}).get("items", [])
            if listed:
                ask("image", "GET", f"/images/{rng.choice(listed)['id']}")
                chosen = rng.sample(listed, min(len(listed), rng.randint(1, 3)))
                items = [{"image": one["id"], "label": rng.choice(TYPES), "version": one["version"]} for one in chosen]
                body = {"request": str(uuid.uuid4()), "label_set": CELL_TYPE, "items": items}
                ask("relabel", "POST", "/labels", json=body)
            ask("next", "GET", "/next")
            if rng.random() < 0.2:
                ask("differential", "GET", "/differential")
            time.sleep(rng.uniform(0, pause))


def show(done: Load, reviewers: int, images: int) -> None:
    """Print a table of requests and one of memory."""
    found, failed, memory = done.found, done.failed, done.memory
    total = sum(len(values) for values in found.values())
    print(f"\n{reviewers} reviewers, {images:,} images: {total:,} requests, {total / memory[-1][0]:.1f} a second")
    print("request        count   p50 ms   p95 ms   p99 ms")
    for kind in KINDS:
        if values := found.get(kind):
            p50, p95, p99 = np.percentile(np.array(values) * 1000, [50, 95, 99])
            print(f"{kind:13s} {len(values):6,d} {p50:8.0f} {p95:8.0f} {p99:8.0f}")
    print("not answered with 200: " + (", ".join(f"{code} x {n}" for code, n in sorted(failed.items())) or "none"))
    print("\nseconds   server's memory, MB   load average")
    for at, size, load in memory:
        print(f"{at:7.0f}   {size / 1e6:19.0f}   {load:12.1f}")


def section(name: str, rounds: Sequence[tuple[int, float, Load]], images: int, before: float) -> str:
    """The part of docs/reference/figures.md that is written from these rounds."""
    lines = [
        f"    python benchmarks/reviewers.py --write --only {name}          # make load: both",
        "",
        f"Written by that command. {str(machine()).partition('; load')[0]}.",
        f"Reviewers, service and PostgreSQL on the same machine, whose load average before was {before:.1f}.",
        f"One project of {images:,} images; each reviewer lists, looks, labels one to three cells, asks for the next,",
        "counts now and then, and pauses for any time up to the longest: six seconds as people do, half as programs.",
        f"Milliseconds, p50 and p95; the goal is {GOAL_MS} for every p95 of 30 people, and what is above it is bold.",
        "",
        "| reviewers | longest pause, s | minutes | requests a second | "
        + " | ".join(KINDS)
        + " | without an answer of 200 |",
        "|---" * (len(KINDS) + 5) + "|",
    ]
    for people, pause, done in rounds:
        total, spent = sum(map(len, done.found.values())), done.memory[-1][0]
        cells = []
        for kind in KINDS:
            p50, p95 = np.percentile(np.array(done.found.get(kind, [np.nan])) * 1000, [50, 95])
            cells.append(f"{p50:.0f}, {p95:.0f}" if p95 < GOAL_MS else f"{p50:.0f}, **{p95:.0f}**")
        cells.append(", ".join(f"{count} x {code}" for code, count in sorted(done.failed.items())) or "none")
        lines.append(f"| {people} | {pause:g} | {spent / 60:.0f} | {total / spent:.0f} | " + " | ".join(cells) + " |")
    if name == "people":
        more = "One process answers, on one core; more people take more servers of one database (`deploy/kubernetes`)."
        lines += ["", more]
    for people, pause, done in rounds:
        shown = done.memory[:: max(1, len(done.memory) // 10)]
        minutes = done.memory[-1][0] / 60
        lines += [
            "",
            f"The server's memory, {people} reviewers who pause for up to {pause:g} s, {minutes:.0f} minutes:",
            "",
            "| minute | " + " | ".join(f"{at / 60:.1f}".removesuffix(".0") for at, _, _ in shown) + " |",
            "|---" * (len(shown) + 1) + "|",
            "| MB | " + " | ".join(f"{size / 1e6:.0f}" for _, size, _ in shown) + " |",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
