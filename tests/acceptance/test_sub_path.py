"""Under a sub-path, behind a real nginx: page, files, API, live events, cookies, redirects and links people share.

By a proxy that passes the sub-path on, which is the one of docs/how-to/serve.md; at the end also by one that takes it
off. A neighbour on the same host says which cookies it was sent.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import drawn
import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from running import PAGE, Serving

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]

expect.set_options(timeout=30_000)  # the machine may have other things to do
ROOT = "/hemosight"
PASSWORD = "four words in a row"  # noqa: S105 -- of an account that lives for a test
GUIDE = Path(__file__).parents[2] / "docs/how-to/serve.md"
_CONFIGURATION = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {location}
        location / {{ return 200 "neighbour [$http_cookie]"; }}
    }}
}}
"""


def documented(address: str, *, passes_on: bool) -> str:
    """The block of the guide, for a service at another address; and as for a proxy that takes the sub-path off."""
    found = re.search(r"```nginx\n(location /hemosight/ \{.*?\n\})\n```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    block = found[1]
    assert block.count("http://127.0.0.1:8321;") == 1
    return block.replace("http://127.0.0.1:8321;", f"{address}{'' if passes_on else '/'};")


@contextlib.contextmanager
def nginx(folder: Path, location: str) -> Iterator[str]:
    """A proxy of our own, as whoever we are; gives its address."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = "user root;" if os.getuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(_CONFIGURATION.format(folder=folder, port=port, location=location, user=user))
    process = subprocess.Popen([program, "-p", str(folder), "-e", "stderr", "-c", str(file)])
    try:
        for _ in range(100):
            assert process.poll() is None, "nginx ended"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@dataclass
class Placed:
    """A service under a sub-path, and the proxy that people reach it by."""

    service: Serving
    host: str

    @property
    def address(self) -> str:
        """Where people open it."""
        return self.host + ROOT

    @contextlib.contextmanager
    def program(self) -> Iterator[httpx.Client]:
        """A program that signs in through the proxy."""
        with httpx.Client(base_url=f"{self.address}/api/v1", timeout=60) as client:
            answer = client.post("/session", json={"name": "amina", "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            client.headers["X-CSRF-Token"] = answer.json()["csrf"]
            yield client


@pytest.fixture(scope="module")
def service() -> Iterator[Serving]:
    """One service for both proxies."""
    if not PAGE.exists():
        pytest.skip("the page is not built: make page")
    if not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()):
        pytest.skip("no nginx is installed: scripts/setup --proxy")
    folder = Path(tempfile.mkdtemp(prefix="hemosight-"))  # short: PostgreSQL's socket lies in it
    service = Serving(folder, "--root-path", ROOT)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def behind_nginx(service: Serving, *, passes_on: bool) -> Iterator[Placed]:
    with (
        tempfile.TemporaryDirectory(prefix="hemosight-") as folder,
        nginx(Path(folder), documented(service.address, passes_on=passes_on)) as host,
    ):
        yield Placed(service, host)


@pytest.fixture(scope="module")
def placed(service: Serving) -> Iterator[Placed]:
    with behind_nginx(service, passes_on=True) as place:
        yield place


@pytest.fixture(scope="module")
def stripped(service: Serving) -> Iterator[Placed]:
    """The same service, by a proxy that takes the sub-path off."""
    with behind_nginx(service, passes_on=False) as place:
        yield place


@pytest.fixture(scope="module")
def complaints() -> Iterator[list[str]]:
    """Answers that were refused, errors of scripts, and requests beside the sub-path: there are none at the end."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture(scope="module")
def context(browser: Browser, placed: Placed, complaints: list[str]) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    opened.on("weberror", lambda error: complaints.append(str(error.error)))
    opened.on(
        "response", lambda answer: complaints.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
    )
    opened.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith((f"{placed.address}/", "blob:", "data:")) or asked.url == placed.address
            else complaints.append(asked.url)
        ),
    )
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return drawn.crops(tmp_path_factory.mktemp("smear"), {"neutrophil": 5, "lymphocyte": 3})


def _link(placed: Placed) -> str:
    """The link of the first run, opened by way of the proxy."""
    link = placed.service.first_link()
    assert link.startswith(f"{placed.service.address}{ROOT}/first-run?token=")
    return link.replace(placed.service.address, placed.host)


def _send(api: httpx.Client, project: int, crops: list[Path]) -> None:
    upload = api.post(f"/projects/{project}/uploads", json={}).json()["id"]
    parts = [("files", (path.name, path.read_bytes(), "image/jpeg")) for path in crops]
    assert api.post(f"/projects/{project}/uploads/{upload}/files", files=parts).status_code == 200


def test_the_first_administrator_comes_in(page: Page, placed: Placed) -> None:
    page.goto(_link(placed))
    page.get_by_label("Name to sign in with").fill("amina")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    page.wait_for_url(f"{placed.address}/projects")
    expect(page.locator("header .brand img")).to_be_visible()
    assert page.locator("header .brand img").evaluate("image => image.naturalWidth") > 0


def test_the_cookies_go_to_hemosight_alone(context: BrowserContext, placed: Placed) -> None:
    cookies = context.cookies(f"{placed.address}/api/v1/session")
    # That of the session, and that by which the throttle of wrong passwords knows the browser again.
    assert {(cookie.get("name"), cookie.get("path")) for cookie in cookies} == {
        ("hemosight~hemosight", ROOT),
        ("hemosight~hemosight-device", ROOT),
    }
    neighbour = context.browser.new_context() if context.browser else None
    assert neighbour is not None
    neighbour.add_cookies([{**cookie} for cookie in cookies])  # pyright: ignore[reportArgumentType] -- as it was given
    beside = neighbour.new_page()
    beside.goto(f"{placed.host}/hemosight-test/")
    assert beside.locator("body").inner_text() == "neighbour []"
    neighbour.close()


def test_cells_arrive_while_somebody_looks(page: Page, placed: Placed, crops: list[Path]) -> None:
    with placed.program() as api:
        project = api.post("/projects", json={"name": "Under a path"}).json()["id"]
        page.goto(f"{placed.address}/projects")
        page.locator(f"a[href='{ROOT}/projects/{project}']").click()
        page.wait_for_url(f"{placed.address}/projects/{project}")
        with page.expect_response(lambda answer: "/events" in answer.url) as stream:
            page.reload()
        assert stream.value.url.startswith(f"{placed.address}/api/v1/projects/{project}/events")
        _send(api, project, crops)
    # Nothing is reloaded: the proxy passes on what the service says while it is said.
    expect(page.locator(".counts")).to_contain_text(f"{len(crops)} cells")
    with page.expect_response(lambda answer: "/thumbnail" in answer.url) as picture:
        page.reload()
    assert picture.value.status == 200


@pytest.mark.parametrize("screen", ["", "/cases", "/map", "/next", "/label-sets", "/report", "/settings"])
def test_every_screen_opens_by_its_address(page: Page, placed: Placed, screen: str) -> None:
    page.goto(f"{placed.address}/projects/1{screen}")
    expect(page.locator("header .brand")).to_be_visible()
    expect(page.locator("main")).not_to_be_empty()
    expect(page.get_by_text("There is nothing at this address")).to_have_count(0)
    hrefs = page.locator("a[href^='/']").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert hrefs
    assert [href for href in hrefs if not href.startswith(f"{ROOT}/")] == []


def test_a_link_that_was_sent_on_leads_there_after_signing_in(browser: Browser, page: Page, placed: Placed) -> None:
    page.goto(f"{placed.address}/projects/1/report?case=0")
    shared = page.url
    other = browser.new_context()
    opened = other.new_page()
    opened.goto(shared)
    opened.wait_for_url(f"{placed.address}/sign-in?to=*")
    opened.get_by_label("Name", exact=True).fill("amina")
    opened.get_by_label("Password").fill(PASSWORD)
    opened.get_by_role("button", name="Sign in").click()
    opened.wait_for_url(shared)
    expect(opened.locator("header .brand")).to_be_visible()
    other.close()


def test_a_project_is_deleted_and_the_list_is_below_the_path(page: Page, placed: Placed) -> None:
    with placed.program() as api:
        made = api.post("/projects", json={"name": "To go"}).json()["id"]
        assert api.delete(f"/projects/{made}").status_code in (200, 204)
    page.goto(placed.address)  # no slash behind it
    page.wait_for_url(f"{placed.address}/projects")
    expect(page.get_by_role("link", name="Under a path").first).to_be_visible()


@pytest.mark.parametrize("passes_on", [True, False], ids=["passed on", "taken off"])
def test_no_answer_leads_out_of_the_path(passes_on: bool, request: pytest.FixtureRequest) -> None:
    placed: Placed = request.getfixturevalue("placed" if passes_on else "stripped")
    with httpx.Client(timeout=30) as client:
        for path in (
            "",
            "/",
            "/projects/",
            "/api/v1/projects/",
            "/api/v1/session/",
            "/assets/",
            "/healthz",
            "//x.example/",
        ):
            answer = client.get(placed.address + path)
            where = answer.headers.get("location", placed.address + "/")
            assert where.startswith((f"{placed.address}/", f"{ROOT}/")), (path, where)
        assert client.post(f"{placed.address}/api/v1/projects/", json={}).headers.get("location") is None
        described = client.get(f"{placed.address}/api/openapi.json").json()
        assert described["servers"] == [{"url": ROOT}]
        assert client.get(f"{placed.address}/readyz").status_code in (200, 503)
        assert client.get(f"{placed.service.address}/healthz").status_code == 200, "a probe without the proxy"
        index = client.get(f"{placed.address}/projects/7/map")
        files = re.findall(r'(?:href|src)="([^"]+)"', index.text)
        assert len(files) > 3
        for file in files:
            assert file.startswith(f"{ROOT}/")
            assert client.get(placed.host + file).status_code == 200
        assert "base-uri 'none'" in index.headers["content-security-policy"]


def test_a_proxy_that_takes_the_path_off_serves_the_same(browser: Browser, stripped: Placed) -> None:
    with stripped.program() as api:
        assert len(api.get("/projects").json()["items"]) >= 1
    other = browser.new_context()
    opened = other.new_page()
    opened.goto(f"{stripped.address}/projects/1")
    opened.wait_for_url(f"{stripped.address}/sign-in?to=*")
    opened.get_by_label("Name", exact=True).fill("amina")
    opened.get_by_label("Password").fill(PASSWORD)
    with opened.expect_response(lambda answer: "/events" in answer.url) as stream:
        opened.get_by_role("button", name="Sign in").click()
    assert stream.value.status == 200
    opened.wait_for_url(f"{stripped.address}/projects/1")
    expect(opened.locator("header .brand")).to_be_visible()
    other.close()


def test_opened_without_the_proxy_it_finds_its_own_path(browser: Browser, placed: Placed) -> None:
    alone = browser.new_context()
    opened = alone.new_page()
    opened.goto(f"{placed.service.address}/projects/1")
    opened.wait_for_url(f"{placed.service.address}{ROOT}/sign-in?to=*")
    alone.close()
