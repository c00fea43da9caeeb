"""What a laboratory checks before signing: each check with its number, what follows from it, and who may set it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from gate import PASSWORD, Visitor, add_user, app_on, browser
from projects import Filled, fill
from sqlalchemy import select

from hemosight.blood.differential import differential
from hemosight.engine.bundle import Bundle
from hemosight.service.bundle_registry import BundleRegistry
from hemosight.service.desk.foreign import CaseFamiliarity
from hemosight.service.desk.signing_checks import checks
from hemosight.service.desk.tally import Tally
from hemosight.service.storage.database import Database
from hemosight.service.storage.signing_rules import SigningRule, SigningRules
from hemosight.service.storage.tables import AuditRow, KnownBundle, Member


def _tally(labels: dict[str, int], **numbers: int) -> Tally:
    counted = differential([name for name, count in labels.items() for _ in range(count)])
    zeros = dict.fromkeys(("unsure", "unreviewed", "unusual", "waiting", "unreadable", "reviewed_until"), 0)
    moved: dict[str, Any] = {"reclassified": [], "moved_by_model": [], "reviewed": {}, "cases": 1}
    return Tally(before=counted, after=counted, **moved, **{**zeros, **numbers})  # type: ignore[arg-type]


def _found(count: Tally, cells: int, *rules: SigningRule, **settings: Any) -> dict[str, tuple[bool, str, str]]:
    made = SigningRules(rules=list(rules), **settings)
    return {one.name: (one.open, one.level, one.says) for one in checks(count, None, made, cells)}


def test_every_check_has_its_number_and_zeros_are_closed() -> None:
    count = _tally({"neutrophil": 98, "blast": 2}, unreviewed=40, unusual=3, unsure=1)
    found = _found(count, 101)
    assert {name: opened for name, (opened, _, _) in found.items()} == {
        "unreviewed": True,
        "unusual": True,
        "unsure": True,
        "unreadable": False,
        "waiting": False,
        "too_few": False,
    }
    assert found["unreviewed"][2].startswith("40 cells")
    assert found["unsure"][2].startswith("1 cell ")
    assert found["too_few"][2] == "100 leukocytes counted, of 100 to be counted"
    assert _found(count, 101, target=200)["too_few"][0], "fewer than a laboratory's own target"
    assert "unsure" not in _found(count, 101, unsure="off")


@pytest.mark.parametrize(
    ("rule", "at"),
    [
        (SigningRule(measure="type", label="blast", at_least=0.02, level="second"), 0.02),
        (SigningRule(measure="erythroblasts", at_least=4.0, level="second"), 4.0),
        (SigningRule(measure="unusual", at_least=0.05, level="second"), 0.05),
        (SigningRule(measure="unsure", at_least=0.05, level="second"), 0.05),
    ],
)
def test_a_rule_fires_at_its_number_and_not_below(rule: SigningRule, at: float) -> None:
    # Of 100 leukocytes 2 blasts; 4 erythroblasts for them; of 120 cells 6 unusual and 6 unsure.
    count = _tally({"neutrophil": 98, "blast": 2, "erythroblast": 4}, unusual=6, unsure=6)
    assert _found(count, 120, rule)["rule"][0]
    above = SigningRule.model_validate({**rule.model_dump(), "at_least": at * 1.01})
    assert not _found(count, 120, above)["rule"][0]


def test_a_foreign_case_stands_in_the_way_whatever_is_set() -> None:
    known = CaseFamiliarity(cells=60, unfamiliar=50, to_bundle=50, median=1.3, open=60, taught=0)
    found = checks(_tally({"blast": 60}), known, SigningRules(), 60)
    (foreign,) = [one for one in found if one.name == "foreign"]
    assert (foreign.open, foreign.level, foreign.count) == (True, "block", 50)


def test_a_rule_that_says_nothing_is_refused() -> None:
    for wrong in (
        {"measure": "type", "at_least": 0.1, "level": "warn"},
        {"measure": "unusual", "label": "blast", "at_least": 0.1, "level": "warn"},
        {"measure": "unsure", "at_least": 5, "level": "warn"},
        {"measure": "unsure", "at_least": 0, "level": "warn"},
    ):
        with pytest.raises(ValueError, match=r"rule|share|greater"):
            SigningRule.model_validate(wrong)


# --- over HTTP --------------------------------------------------------------------------------------------


@dataclass
class Laboratory:
    """A case of twelve cells, all of them labelled; an administrator and two reviewers."""

    project: Filled
    path: str
    case: int
    people: dict[str, Visitor]

    def set(self, **rules: Any) -> Any:
        """Set the rules, as the administrator."""
        answer = self.people["admin"].put(f"{self.path}/signing-rules", json=rules)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sign(self, who: str, role: str = "first", **more: Any) -> Any:
        """Sign the case; gives the answer."""
        body = {"case": self.case, "role": role, **more}
        if role == "second":  # the newest record, as a page shows it
            body["countersigns"] = max(
                one["id"] for one in self.people[who].get(f"{self.path}/signatures").json()["items"]
            )
        return self.people[who].post(f"{self.path}/signatures", json=body)

    def case_shown(self) -> dict[str, Any]:
        """The case in the worklist."""
        (shown,) = self.people["one"].get(f"{self.path}/cases").json()["items"]
        return shown


@pytest.fixture
def laboratory(module_database: Database, tiny_bundle: Bundle) -> Laboratory:
    with module_database.session() as session:
        if session.scalar(select(KnownBundle.id).limit(1)) is None:
            BundleRegistry(tiny_bundle).register(session)
    project = fill(module_database, tiny_bundle, 0)
    cells = project.add(tiny_bundle, 12, seed=9, case="24-1187")
    app, mark, people = app_on(module_database, tiny_bundle), uuid.uuid4().hex[:8], {}
    for name in ("admin", "one", "two"):
        user = add_user(module_database, f"{name}-{mark}")
        with module_database.session() as session:
            role = "admin" if name == "admin" else "reviewer"
            session.add(Member(project_id=project.id, user_id=user, role=role))
        people[name] = browser(app, f"{name}-{mark}")
    project.say({image: "neutrophil" if at else "blast" for at, image in enumerate(cells)})
    path = f"/projects/{project.id}"
    case = people["one"].get(f"{path}/cases").json()["items"][0]["id"]
    return Laboratory(project, path, case, people)


def test_what_stands_in_the_way_is_said_with_its_number(laboratory: Laboratory) -> None:
    laboratory.set(too_few="block", target=100)
    refused = laboratory.sign("one", note="all there is")
    assert refused.status_code == 409
    assert refused.json()["error"]["came"] == "12 leukocytes counted, of 100 to be counted"
    laboratory.set(too_few="reason", target=100)
    assert laboratory.sign("one").status_code == 409
    signed = laboratory.sign("one", note="all there is")
    assert signed.status_code == 201, signed.text
    found = {one["name"]: one for one in signed.json()["checks"]}
    assert (found["too_few"]["open"], found["too_few"]["level"], found["too_few"]["count"]) == (True, "reason", 12)
    assert found["unreviewed"]["open"] is False, "what was checked and found nothing is kept as well"


def test_a_rule_takes_a_second_signature(laboratory: Laboratory) -> None:
    rule = {"measure": "type", "label": "blast", "at_least": 0.01, "level": "second"}
    laboratory.set(rules=[rule])
    first = laboratory.sign("one").json()
    assert first["second_wanted"]
    assert laboratory.case_shown()["second_wanted"]
    (fired,) = [one for one in first["checks"] if one["name"] == "rule"]
    assert fired["says"] == "Blast 1 cell, 8.3%, rule: 1% or more"
    laboratory.set(rules=[])
    assert laboratory.sign("two", "second").json()["checks"] == first["checks"], "the record's, not the rules of now"
    assert not laboratory.case_shown()["second_wanted"]


def test_the_worklist_says_which_rules_a_case_meets_until_it_is_signed(laboratory: Laboratory) -> None:
    assert laboratory.case_shown()["rules_fired"] == []
    met = {"measure": "type", "label": "blast", "at_least": 0.05, "level": "second"}
    laboratory.set(
        rules=[
            met,
            {**met, "at_least": 0.5, "level": "block"},
            {**met, "level": "off"},
            {"measure": "unsure", "at_least": 0.05, "level": "warn"},
        ]
    )
    says = "Blast 1 cell, 8.3%, rule: 5% or more"
    assert laboratory.case_shown()["rules_fired"] == [
        {"level": "second", "count": 1, "says": says, "measured": "Blast 1 cell, 8.3%"}
    ]
    empty = laboratory.people["one"].post(f"{laboratory.path}/cases", json={"key": "24-1188"})
    assert (empty.status_code, empty.json()["rules_fired"], empty.json()["held_back"]) == (201, [], False)
    changed = laboratory.people["one"].patch(f"{laboratory.path}/cases/{laboratory.case}", json={"wbc": 4.0}).json()
    assert changed["rules_fired"][0]["says"] == says
    seen = laboratory.people["one"].get(f"{laboratory.path}/cases/{laboratory.case}/signing").json()["facts"]
    first = laboratory.sign("one", facts=seen)
    assert [one["says"] for one in first.json()["checks"] if one["name"] == "rule" and one["open"]] == [says]
    shown = {one["key"]: one for one in laboratory.people["one"].get(f"{laboratory.path}/cases").json()["items"]}
    assert shown["24-1187"]["rules_fired"] == [], (
        "what a signed case wants is a second signature, and its state says so"
    )


def test_without_a_rule_no_second_signature_is_waited_for(laboratory: Laboratory) -> None:
    laboratory.set(rules=[{"measure": "type", "label": "blast", "at_least": 0.1, "level": "second"}])
    assert not laboratory.sign("one").json()["second_wanted"]


def test_rules_are_set_by_right_and_noted(laboratory: Laboratory) -> None:
    path = f"{laboratory.path}/signing-rules"
    assert laboratory.people["one"].put(path, json={"target": 200}).status_code == 403
    laboratory.set(target=200)
    assert laboratory.people["one"].get(path).json()["target"] == 200
    refused = laboratory.people["admin"].put(
        path, json={"rules": [{"measure": "type", "label": "unicorn", "at_least": 0.1, "level": "warn"}]}
    )
    assert refused.status_code == 422
    assert "unicorn" in refused.text
    with laboratory.project.database.session() as session:
        query = select(AuditRow.subject).where(
            AuditRow.project_id == laboratory.project.id, AuditRow.action == "signing.rules"
        )
        (noted,) = session.scalars(query)
    assert (noted["before"]["target"], noted["rules"]["target"]) == (100, 200)


def test_initials_are_asked_for_and_kept(laboratory: Laboratory) -> None:
    laboratory.set(confirm="initials")
    refused = laboratory.sign("one")
    assert refused.status_code == 422
    assert "initials" in refused.text
    signed = laboratory.sign("one", initials="AD").json()
    assert (signed["confirmed"], signed["initials"]) == ("initials", "AD")


def test_a_password_is_asked_for_at_every_signature_and_kept_nowhere(laboratory: Laboratory) -> None:
    laboratory.set(confirm="password")
    assert laboratory.sign("one").status_code == 403
    assert laboratory.sign("one", password="not the one").status_code == 403  # noqa: S106 -- wrong on purpose
    signed = laboratory.sign("one", password=PASSWORD)
    assert signed.status_code == 201, signed.text
    assert signed.json()["confirmed"] == "password"
    assert PASSWORD not in signed.text
    assert laboratory.sign("two", "second").status_code == 403, "the second signer gives theirs"
    assert laboratory.sign("two", "second", password=PASSWORD).status_code == 201


def test_wrong_passwords_are_throttled_as_at_the_door(laboratory: Laboratory) -> None:
    laboratory.set(confirm="password")
    answers = [laboratory.sign("one", password="guess").status_code for _ in range(12)]  # noqa: S106
    assert answers[0] == 403
    assert answers[-1] == 429


def test_the_page_is_told_what_is_checked(laboratory: Laboratory) -> None:
    laboratory.set(confirm="initials", target=10)
    shown = laboratory.people["two"].get(f"{laboratory.path}/cases/{laboratory.case}/signing").json()
    assert (shown["version"], shown["locked"], shown["confirm"]) == (0, False, "initials")
    assert [one["name"] for one in shown["checks"] if one["open"]] == []
    laboratory.sign("one", initials="AD")
    shown = laboratory.people["two"].get(f"{laboratory.path}/cases/{laboratory.case}/signing").json()
    assert (shown["version"], shown["locked"]) == (1, True)
