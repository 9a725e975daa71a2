"""From a draft to a version: who may, when it begins, and that nothing of the past changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError
from django.utils import timezone, translation

from customers.models import Customer
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import AuditEvent, Company, Store, User
from rewards.actions.earning import preview_visit, record_visit
from rewards.actions.programme import change_rules, decline, draft_programme, hand_in, plan_draft, sign, take_back
from rewards.actions.programme import withdraw as withdraw_draft
from rewards.actions.programme_versions import earliest_start, import_version, replaced_before_it_began
from rewards.actions.tiers import review_due_tiers
from rewards.models import DraftStatus, Posting, ProgrammeDraft, ProgrammeVersion
from rewards.programme import load_programmes
from rewards.queries import tier_name, tier_of
from rewards.tests.drafts import draft_of, first_version, handed_in, rules_with, signed, worth

pytestmark = pytest.mark.django_db


@pytest.fixture
def soon() -> date:
    return Company.current().today() + timedelta(days=30)


def test_a_draft_holds_for_nobody(dace: User, soon: date) -> None:
    draft_of(worth(600), starts_on=soon, by=dace)
    assert load_programmes().at(soon).value_cents_of(500) == 500
    assert ProgrammeVersion.objects.count() == 1


def test_two_people_make_the_next_version(dace: User, admin: User, soon: date) -> None:
    draft = handed_in(worth(600), starts_on=soon, by=dace)
    version = sign(draft=draft, revision=draft.revision, by=admin)
    assert (version.number, version.starts_on, version.signed_by) == (2, soon, admin)
    programmes = load_programmes()
    assert programmes.at(soon - timedelta(days=1)).value_cents_of(500) == 500
    assert programmes.at(soon).value_cents_of(500) == 600
    draft.refresh_from_db()
    assert (draft.status, draft.version, draft.decided_by) == (DraftStatus.SIGNED, version, admin)
    logged = AuditEvent.objects.get(action="sign programme")
    assert logged.by == admin
    assert logged.data == {
        "version": 2, "starts_on": soon.isoformat(), "drafted_by": dace.pk, "asked_by": dace.pk,
        "confirmed_alone": False,
    }  # fmt: skip


def test_signing_again_is_the_same_version(dace: User, admin: User, soon: date) -> None:
    draft = handed_in(worth(600), starts_on=soon, by=dace)
    assert sign(draft=draft, revision=draft.revision, by=admin) == sign(draft=draft, revision=draft.revision, by=admin)
    assert ProgrammeVersion.objects.count() == 2


def test_the_one_who_asked_does_not_sign(dace: User, admin: User, soon: date) -> None:
    draft = handed_in(worth(600), starts_on=soon, by=dace)
    with pytest.raises(Refused, match="Another manager"):
        sign(draft=draft, revision=draft.revision, by=dace)
    assert ProgrammeVersion.objects.count() == 1


def test_the_till_signs_nothing(dace: User, liga: User, soon: date) -> None:
    draft = handed_in(worth(600), starts_on=soon, by=dace)
    with pytest.raises(Refused, match="role"):
        sign(draft=draft, revision=draft.revision, by=liga)
    with pytest.raises(Refused, match="role"):
        decline(draft=draft, reason="No", by=liga)
    draft.refresh_from_db()
    assert draft.status == DraftStatus.HANDED_IN


def test_the_only_manager_confirms_after_a_delay_and_the_log_says_so(dace: User, soon: date) -> None:
    draft = handed_in(worth(600), starts_on=soon, by=dace)
    with pytest.raises(Refused, match="no other manager"):
        sign(draft=draft, revision=draft.revision, by=dace)
    ProgrammeDraft.objects.update(asked_at=timezone.now() - timedelta(hours=25))
    sign(draft=draft, revision=draft.revision, by=dace)
    assert AuditEvent.objects.get(action="sign programme").data["confirmed_alone"] is True


def test_nobody_signs_what_they_have_not_read(dace: User, admin: User, soon: date) -> None:
    read = handed_in(worth(600), starts_on=soon, by=dace)
    take_back(draft=read, by=dace)
    changed = change_rules(draft=read, revision=read.revision, rules=worth(900), by=dace)
    hand_in(draft=changed, revision=changed.revision, by=dace)
    with pytest.raises(Conflict, match="changed meanwhile"):
        sign(draft=read, revision=read.revision, by=admin)
    assert ProgrammeVersion.objects.count() == 1


def test_two_people_do_not_overwrite_each_other(dace: User, admin: User, soon: date) -> None:
    draft = draft_of(worth(600), starts_on=soon, by=dace)
    change_rules(draft=draft, revision=draft.revision, rules=worth(700), by=dace)
    with pytest.raises(Conflict):
        change_rules(draft=draft, revision=draft.revision, rules=worth(800), by=admin)
    draft.refresh_from_db()
    assert draft.rules["redemption"]["value_cents"] == 700


def test_what_waits_or_is_closed_is_not_changed(dace: User, admin: User, soon: date) -> None:
    waiting = handed_in(worth(600), starts_on=soon, by=dace)
    with pytest.raises(Refused, match="Take it back"):
        change_rules(draft=waiting, revision=waiting.revision, rules=worth(700), by=dace)
    with pytest.raises(Refused, match="Take it back"):
        plan_draft(draft=waiting, revision=waiting.revision, starts_on=soon, note="x", by=dace)
    withdraw_draft(draft=waiting, by=dace)
    with pytest.raises(Refused, match="closed"):
        change_rules(draft=waiting, revision=waiting.revision, rules=worth(700), by=dace)
    with pytest.raises(Refused, match="Withdrawn"):
        sign(draft=waiting, revision=waiting.revision, by=admin)
    waiting.refresh_from_db()
    assert (waiting.rules, waiting.note) == (worth(600), "Points are worth more")


def test_a_declined_draft_says_why_and_is_mended(dace: User, admin: User, soon: date) -> None:
    draft = handed_in(worth(600), starts_on=soon, by=dace)
    with pytest.raises(Refused) as refusal:
        decline(draft=draft, reason="  ", by=admin)
    assert refusal.value.field == "reason"
    declined = decline(draft=draft, reason="Too dear", by=admin)
    assert (declined.status, declined.reason, declined.decided_by) == (DraftStatus.DECLINED, "Too dear", admin)
    with pytest.raises(Refused, match="does not wait"):
        sign(draft=declined, revision=declined.revision, by=admin)
    mended = change_rules(draft=declined, revision=declined.revision, rules=worth(550), by=dace)
    assert mended.status == DraftStatus.DRAFT
    hand_in(draft=mended, revision=mended.revision, by=dace)
    assert sign(draft=mended, revision=mended.revision, by=admin).rules == worth(550)


def test_a_draft_without_a_start_or_a_change_is_not_handed_in(dace: User, soon: date) -> None:
    draft = draft_programme(based_on=first_version(), by=dace)
    with pytest.raises(Refused) as refusal:
        hand_in(draft=draft, revision=draft.revision, by=dace)
    assert refusal.value.field == "starts_on"
    draft = plan_draft(draft=draft, revision=draft.revision, starts_on=soon, note="", by=dace)
    with pytest.raises(Refused, match="holds on that day anyway"):
        hand_in(draft=draft, revision=draft.revision, by=dace)
    draft.refresh_from_db()
    assert draft.status == DraftStatus.DRAFT


@pytest.mark.parametrize("days", [-400, -1, 0, 4_000])
def test_the_past_today_and_a_far_year_are_no_start(dace: User, admin: User, days: int) -> None:
    day = Company.current().today() + timedelta(days=days)
    draft = draft_programme(based_on=first_version(), rules=worth(600), by=dace)
    with pytest.raises(Refused) as refusal:
        plan_draft(draft=draft, revision=draft.revision, starts_on=day, note="", by=dace)
    assert refusal.value.field == "starts_on"
    draft.refresh_from_db()
    assert draft.starts_on is None


def test_a_start_that_has_come_meanwhile_is_refused_at_the_signature(dace: User, admin: User, soon: date) -> None:
    draft = handed_in(worth(600), starts_on=soon, by=dace)
    ProgrammeDraft.objects.update(starts_on=Company.current().today())
    with pytest.raises(Refused, match="still to come"):
        sign(draft=draft, revision=draft.revision, by=admin)
    assert ProgrammeVersion.objects.count() == 1


def test_the_day_has_to_be_to_come_in_every_stores_calendar(barona_iela: Store) -> None:
    Store.objects.create(code="KIRITIMATI", name="Kiritimati", time_zone="Pacific/Kiritimati")
    latest = timezone.now().astimezone(Store.objects.get(code="KIRITIMATI").zone).date()
    assert earliest_start() == latest + timedelta(days=1)


def test_no_day_has_two_programmes_though_the_clock_was_set_back(nameless: Customer, barona_iela: Store) -> None:
    earned_at = timezone.now() + timedelta(days=9)
    with time_machine.travel(earned_at, tick=False):
        record_visit(customer=nameless, store=barona_iela, net_cents=10_00, by=None)
    assert earliest_start() == barona_iela.business_date(earned_at) + timedelta(days=1)


def test_not_before_a_version_that_is_signed_already(dace: User, admin: User, soon: date) -> None:
    signed(worth(600), starts_on=soon, asked_by=dace, by=admin)
    with pytest.raises(Refused, match="first that is free"):
        draft_of(worth(700), starts_on=soon - timedelta(days=1), by=dace)


def test_a_version_is_replaced_before_it_begins(dace: User, admin: User, soon: date) -> None:
    wrong = signed(worth(600), starts_on=soon, asked_by=dace, by=admin)
    right = signed(first_version().rules, starts_on=soon, asked_by=admin, by=dace)
    programmes = load_programmes()
    assert [programmes.at(day).number for day in (soon - timedelta(days=1), soon)] == [1, 3]
    assert programmes.at(soon).value_cents_of(500) == 500
    assert programmes.by_id(wrong.pk).value_cents_of(500) == 600
    assert (replaced_before_it_began(wrong), replaced_before_it_began(right)) == (True, False)


def test_nothing_of_the_past_changes(anna: Customer, barona_iela: Store, dace: User, admin: User, soon: date) -> None:
    before = list(Posting.objects.order_by("pk").values())
    today = preview_visit(customer=anna, store=barona_iela, net_cents=1_000)
    signed(worth(600), starts_on=soon, asked_by=dace, by=admin)
    assert list(Posting.objects.order_by("pk").values()) == before
    assert preview_visit(customer=anna, store=barona_iela, net_cents=1_000) == today


def test_the_database_keeps_versions_in_order_and_as_they_are(dace: User, admin: User, soon: date) -> None:
    version = signed(worth(600), starts_on=soon, asked_by=dace, by=admin)
    rules = first_version().rules
    for number, day in ((4, soon), (3, soon - timedelta(days=1)), (2, soon)):
        with pytest.raises(IntegrityError), transaction.atomic():
            ProgrammeVersion.objects.create(number=number, starts_on=day, rules=rules)
    with pytest.raises(DatabaseError), transaction.atomic():
        ProgrammeVersion.objects.filter(pk=version.pk).update(starts_on=soon + timedelta(days=1))
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM rewards_programmeversion WHERE number = 2")


@pytest.mark.parametrize(
    "columns",
    [
        {"status": "signed"},
        {"status": "handed_in", "asked_by": None},
        {"status": "declined"},
        {"status": "mislaid"},
    ],
)
def test_the_database_refuses_a_draft_in_between(dace: User, soon: date, columns: dict[str, Any]) -> None:
    draft = draft_of(worth(600), starts_on=soon, by=dace)
    with pytest.raises(IntegrityError), transaction.atomic():
        ProgrammeDraft.objects.filter(pk=draft.pk).update(**columns)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rules: rules.pop("expiry"),
        lambda rules: rules.update(surprise=1),
        lambda rules: rules["redemption"].update(points=0),
        lambda rules: rules["redemption"].update(points=1.5),
        lambda rules: rules["redemption"].update(value_cents="600"),
    ],
)
def test_rules_that_cannot_be_are_refused(dace: User, soon: date, spoil: Callable[[dict[str, Any]], object]) -> None:
    draft = draft_of(worth(600), starts_on=soon, by=dace)
    rules = worth(600)
    spoil(rules)
    with pytest.raises(Refused):
        change_rules(draft=draft, revision=draft.revision, rules=rules, by=dace)
    draft.refresh_from_db()
    assert draft.rules == worth(600)


def test_a_file_may_hold_since_a_day_of_the_past_before_any_points(soon: date) -> None:
    made = import_version(rules=worth(600), starts_on=date(2024, 2, 29), by=None)
    assert (made.is_new, made.version.number) == (True, 2)
    assert load_programmes().at(date(2024, 2, 28)).value_cents_of(500) == 500
    assert load_programmes().at(date(2024, 2, 29)).value_cents_of(500) == 600
    again = import_version(rules=worth(600), starts_on=date(2024, 2, 29), by=None)
    assert (again.is_new, again.version) == (False, made.version)
    mended = import_version(rules=worth(700), starts_on=date(2024, 2, 29), by=None)
    assert load_programmes().at(date(2024, 3, 1)).number == mended.version.number == 3
    with pytest.raises(Refused, match="starts on a later day"):
        import_version(rules=worth(700), starts_on=date(2023, 1, 1), by=None)
    assert ProgrammeVersion.objects.count() == 3


def test_a_file_cannot_change_days_that_points_were_posted_on(anna: Customer, soon: date) -> None:
    last = Posting.objects.latest("business_date").business_date
    with pytest.raises(Refused, match="Points were posted"):
        import_version(rules=worth(600), starts_on=last, by=None)
    assert ProgrammeVersion.objects.count() == 1
    assert import_version(rules=worth(600), starts_on=last + timedelta(days=1), by=None).is_new


def test_tiers_follow_a_version_of_the_past(janis: Customer) -> None:
    """He paid 12.40 fifteen days ago; from five days ago on that is enough for silver."""
    today = Company.current().today()
    start = today - timedelta(days=5)
    rules = rules_with(lambda rules: rules["tiers"]["levels"][1].update(threshold=1_000))
    import_version(rules=rules, starts_on=start, by=None)
    assert review_due_tiers(today=today) == 1
    assert [tier_of(janis, day) for day in (start - timedelta(days=1), start, today)] == ["member", "silver", "silver"]
    assert review_due_tiers(today=today) == 0


def test_a_rank_that_a_version_brings_has_its_name_everywhere(dace: User, admin: User, soon: date) -> None:
    def change(rules: dict[str, Any]) -> None:
        names = {"en": "Platinum", "lv": "Platīna"}
        rules["tiers"]["levels"].append({"key": "platinum", "names": names, "threshold": 500_000})
        rules["tiers"]["levels"][1]["names"] = {"en": "Silver star"}

    signed(rules_with(change), starts_on=soon, asked_by=dace, by=admin)
    load_programmes()
    assert [tier_name(key) for key in ("platinum", "silver", "gold", "lost")] == [
        "Platinum", "Silver star", "Gold", "lost",
    ]  # fmt: skip
    with translation.override("lv"):
        assert tier_name("platinum") == "Platīna"


def test_a_file_cannot_change_a_day_on_which_a_visit_earned_nothing(nameless: Customer, barona_iela: Store) -> None:
    day = record_visit(customer=nameless, store=barona_iela, net_cents=99, by=None).visit.business_date
    with pytest.raises(Refused, match="under another version"):
        import_version(rules=worth(600), starts_on=day, by=None)
    assert ProgrammeVersion.objects.count() == 1
