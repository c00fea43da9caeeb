"""The organisation's accounts at the page's door: the button, the way there and back, what is said of a refusal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from running import PAGE, Serving

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.story]
PROVIDER = Path(__file__).parents[1] / "service" / "provider.py"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    words = [sys.executable, str(PROVIDER)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, issuer: str) -> Iterator[Serving]:
    """The service with the provider alone: no names and passwords."""
    if not PAGE.exists():
        pytest.skip("the page is not built: make page")
    folder = tmp_path_factory.mktemp("door")
    settings = folder / "hemosight.toml"
    settings.write_text(
        f"""
        local_accounts = false
        oidc_issuer = "{issuer}"
        oidc_client_id = "hemosight"
        oidc_client_secret = "a secret of the client"
        oidc_title = "General Hospital"
        [oidc_groups]
        readers = ["administrator"]
        """
    )
    service = Serving(folder, "--settings", str(settings))
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def page(browser: Browser, door: Serving) -> Iterator[Page]:
    context = browser.new_context(base_url=door.address, viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    yield opened
    context.close()


def told(issuer: str, **words: Any) -> None:
    request = urllib.request.Request(f"{issuer}/told", json.dumps(words).encode(), method="POST")  # noqa: S310 -- ours
    urllib.request.urlopen(request).close()  # noqa: S310 -- ours


def test_the_button_leads_there_and_back(page: Page) -> None:
    page.goto("/projects?one=1")
    button = page.get_by_role("button", name="Sign in with General Hospital")
    expect(button).to_be_visible()
    expect(page.get_by_label("Password")).to_have_count(0)
    button.click()
    expect(page.get_by_role("button", name="Dr. Amina Diallo")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/projects"))


def test_a_project_that_keeps_no_names(page: Page) -> None:
    page.get_by_label(re.compile("New project|Name the first")).fill("Trial")
    page.get_by_role("button", name="Create").click()
    expect(page).to_have_url(re.compile(r"/projects/\d+$"))
    page.goto(f"{page.url}/settings")
    names = page.get_by_label("Names of files and cases")
    names.select_option("mapped")
    page.get_by_role("button", name="Save", exact=True).first.click()  # the others are of scanners
    expect(page.get_by_text("Saved.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="the list, as a table").click()
    assert download.value.path().read_text().strip() == "kind,number,name"


def test_the_account_is_the_organisations(page: Page) -> None:
    page.goto("/account")
    expect(page.get_by_role("heading", name="General Hospital")).to_be_visible()
    expect(page.get_by_role("heading", name="Password")).to_have_count(0)
    with page.expect_navigation(url=re.compile(r"/account$")):
        page.get_by_role("button", name="Connect with General Hospital").click()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()


def test_signing_out_ends_at_the_door(page: Page) -> None:
    page.get_by_role("button", name="Dr. Amina Diallo").click()
    page.get_by_text("Sign out", exact=True).click()
    expect(page.get_by_role("button", name="Sign in with General Hospital")).to_be_visible()
    page.goto("/projects")
    expect(page.get_by_role("button", name="Sign in with General Hospital")).to_be_visible()


def test_a_refusal_is_said(page: Page, issuer: str) -> None:
    told(issuer, person={"sub": "u-7", "preferred_username": "kim", "groups": ["kitchen"]})
    page.get_by_role("button", name="Sign in with General Hospital").click()
    expect(page.get_by_role("alert")).to_contain_text("in no group that may come in here")
    told(issuer)
