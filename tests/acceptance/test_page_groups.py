"""A whole group by key: from a bin to its border, the sample, a reload in the middle, the bound and the labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import axe
import drawn
import pytest
from playwright.sync_api import Browser, expect
from running import Serving

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

expect.set_options(timeout=30_000)  # the machine may have other things to do
SMEAR = {"neutrophil": 70, "lymphocyte": 6}


def test_a_bin_is_labelled_as_a_group_by_key(browser: Browser, served: Serving, tmp_path: Path) -> None:
    with drawn.client(served.address) as api:
        project = drawn.project(api, "Groups", drawn.crops(tmp_path, SMEAR), case="26-0701")
        page = browser.new_context(
            base_url=served.address, viewport={"width": 1440, "height": 900}, reduced_motion="reduce"
        ).new_page()
        page.goto(f"/projects/{project}")
        head = page.locator(".bin-header", has_text="Neutrophil")

        head.get_by_role("button", name="as a group").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("most typical of")
        assert axe.grave(page) == []
        dialog.get_by_role("button", name="Find the border").click()
        page.keyboard.press("y")  # the last three are of the type: all are in
        expect(dialog.get_by_role("button", name="Draw the sample")).to_be_visible()
        dialog.get_by_label("Sample").select_option("30")
        dialog.get_by_role("button", name="Draw the sample").click()
        for at in range(1, 11):
            expect(dialog.locator(".group-cell")).to_contain_text(f"{at} of 30:")
            page.keyboard.press("y" if at != 4 else "l")
        expect(dialog.locator(".group-cell")).to_contain_text("11 of 30:")
        assert axe.grave(page) == []

        # The sample waits over a reload, and there is no other.
        expect(dialog).to_contain_text("10 saved, 1 otherwise")
        page.reload()
        head.get_by_role("button", name="as a group").click()
        for at in range(11, 31):
            expect(dialog.locator(".group-cell")).to_contain_text(f"{at} of 30:")
            page.keyboard.press("Enter")
        expect(dialog).to_contain_text("29 of 30 right: with 95% confidence at least")
        dialog.get_by_role("button", name="Label the group").click()
        expect(dialog).to_contain_text("cells labelled beside the sample")
        dialog.get_by_role("button", name="Close").last.click()

        (group,) = api.get(f"/projects/{project}/groups").json()["items"]
        records = api.get(f"/projects/{project}/labels", params={"limit": 500}).json()["items"]
        kinds = Counter(record["kind"] for record in records)
        assert kinds == {"set": 30, "group": group["cells"] - 30}
        assert Counter(record["label"] for record in records) == {"neutrophil": group["cells"] - 1, "lymphocyte": 1}
        expect(head.get_by_role("button", name="as a group")).to_have_count(0)
