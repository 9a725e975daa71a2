"""The next version of the programme: drafted, handed in, signed by a second person. Nothing of the past changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import User
from loyaltycrm.core.permissions import Permission, allowed
from loyaltycrm.core.second_person import check_second_person
from rewards.actions.programme_versions import add_version, check_start, lock_versions, version_on
from rewards.models import DraftStatus, ProgrammeDraft, ProgrammeVersion
from rewards.programme_checks import checked_rules

NOTE_LENGTH = 200
REASON_LENGTH = 400


@transaction.atomic
def draft_programme(
    *,
    based_on: ProgrammeVersion,
    rules: Mapping[str, Any] | None = None,
    starts_on: date | None = None,
    note: str = "",
    by: User | None,
) -> ProgrammeDraft:
    """Begin a draft with the rules of a version, or with `rules`, from a file for one. It holds for nobody yet."""
    draft = ProgrammeDraft.objects.create(
        based_on=based_on,
        rules=checked_rules(based_on.rules if rules is None else rules),
        starts_on=starts_on,
        note=_words(note, NOTE_LENGTH, "note"),
        drafted_by=by,
    )
    audit.record("draft programme", draft, by=by, data={"based_on": based_on.number, "note": draft.note})
    return draft


@transaction.atomic
def change_rules(*, draft: ProgrammeDraft, revision: int, rules: Mapping[str, Any], by: User | None) -> ProgrammeDraft:
    """Put these rules, a whole set, in the place of the draft's. A declined draft is a draft again.

    `revision` is the one the change was made on. Raises `Refused` for rules that cannot be and for a draft that is
    not open for changes, `Conflict` where somebody changed it meanwhile.
    """
    draft = _locked(draft, revision)
    _check_changeable(draft)
    new = checked_rules(rules)
    parts = [part for part in {**draft.rules, **new} if draft.rules.get(part) != new.get(part)]
    if not parts:
        return draft
    data = {part: {"before": draft.rules.get(part), "after": new.get(part)} for part in parts}
    draft.rules = new
    _save_change(draft, "rules")
    audit.record("change draft of programme", draft, by=by, data=data)
    return draft


@transaction.atomic
def plan_draft(
    *, draft: ProgrammeDraft, revision: int, starts_on: date | None, note: str, by: User | None
) -> ProgrammeDraft:
    """Set from which day the draft is to hold, and say in words what changes. Raises as `change_rules`."""
    draft = _locked(draft, revision)
    _check_changeable(draft)
    if starts_on is not None:
        check_start(starts_on)
    before = {"starts_on": draft.starts_on and draft.starts_on.isoformat(), "note": draft.note}
    draft.starts_on, draft.note = starts_on, _words(note, NOTE_LENGTH, "note")
    after = {"starts_on": draft.starts_on and draft.starts_on.isoformat(), "note": draft.note}
    if after != before:
        _save_change(draft, "starts_on", "note")
        audit.record("plan draft of programme", draft, by=by, data={"before": before, "after": after})
    return draft


@transaction.atomic
def hand_in(*, draft: ProgrammeDraft, revision: int, by: User) -> ProgrammeDraft:
    """Ask a second person to sign. Raises `Refused` without a start date that can be, or where nothing changes."""
    draft = _locked(draft, revision)
    _check_changeable(draft)
    if draft.starts_on is None:
        raise Refused(_("Choose the day from which the draft is to hold."), field="starts_on")
    check_start(draft.starts_on)
    draft.rules = checked_rules(draft.rules)
    if draft.rules == checked_rules(version_on(draft.starts_on).rules):
        raise Refused(_("The draft says what holds on that day anyway. Change something, or withdraw the draft."))
    draft.status, draft.asked_by, draft.asked_at = DraftStatus.HANDED_IN, by, timezone.now()
    draft.decided_by, draft.decided_at, draft.reason = None, None, ""
    draft.save()
    audit.record("hand in draft of programme", draft, by=by, data={"starts_on": draft.starts_on.isoformat()})
    return draft


@transaction.atomic
def take_back(*, draft: ProgrammeDraft, by: User) -> ProgrammeDraft:
    """Take a draft that waits for a second person back, to go on working on it."""
    draft = _locked(draft)
    _check_waits(draft)
    draft.status, draft.asked_by, draft.asked_at = DraftStatus.DRAFT, None, None
    draft.save(update_fields=["status", "asked_by", "asked_at"])
    audit.record("take draft of programme back", draft, by=by)
    return draft


@transaction.atomic
def sign(*, draft: ProgrammeDraft, revision: int, by: User) -> ProgrammeVersion:
    """Make the draft the next version, in force from its start date. Signed a second time, it is the same version.

    Raises `Refused` for the person who handed it in (`check_second_person`), for a start date that has come
    meanwhile, and `Conflict` where the draft is not the one that was read.
    """
    lock_versions()
    draft = _locked(draft, revision)
    if draft.version is not None:
        return draft.version
    _check_waits(draft)
    assert draft.asked_by is not None
    assert draft.asked_at is not None
    assert draft.starts_on is not None
    is_own = check_second_person(asked_by=draft.asked_by, asked_at=draft.asked_at, by=by, needed=Permission.APPROVE)
    check_start(draft.starts_on)
    version = add_version(rules=draft.rules, starts_on=draft.starts_on, note=draft.note, by=by)
    draft.status, draft.version = DraftStatus.SIGNED, version
    draft.decided_by, draft.decided_at = by, version.signed_at
    draft.save(update_fields=["status", "version", "decided_by", "decided_at"])
    data = {"version": version.number, "starts_on": draft.starts_on.isoformat(), "drafted_by": draft.drafted_by_id}
    audit.record(
        "sign programme", draft, by=by, data={**data, "asked_by": draft.asked_by_id, "confirmed_alone": is_own}
    )
    return version


@transaction.atomic
def decline(*, draft: ProgrammeDraft, reason: str, by: User) -> ProgrammeDraft:
    """Say no to a draft that was handed in, and why; whoever drafted it may change it and hand it in again."""
    draft = _locked(draft)
    if not allowed(by, Permission.APPROVE):
        raise Refused(_("Your role may not approve this. Ask a manager."))
    _check_waits(draft)
    draft.reason = _words(reason, REASON_LENGTH, "reason")
    if not draft.reason:
        raise Refused(_("Say why, so that the draft can be mended."), field="reason")
    draft.status, draft.decided_by, draft.decided_at = DraftStatus.DECLINED, by, timezone.now()
    draft.save(update_fields=["status", "reason", "decided_by", "decided_at"])
    audit.record("decline draft of programme", draft, by=by, data={"reason": draft.reason})
    return draft


@transaction.atomic
def withdraw(*, draft: ProgrammeDraft, by: User) -> ProgrammeDraft:
    """End a draft; it stays readable. A signed one is a version and stays: see `rewards.actions.programme_versions`."""
    draft = _locked(draft)
    if draft.status == DraftStatus.WITHDRAWN:
        return draft
    if draft.status == DraftStatus.SIGNED:
        raise Refused(_("This draft is signed. Draft a version that replaces it."))
    draft.status = DraftStatus.WITHDRAWN
    draft.save(update_fields=["status"])
    audit.record("withdraw draft of programme", draft, by=by)
    return draft


def _locked(draft: ProgrammeDraft, revision: int | None = None) -> ProgrammeDraft:
    found = ProgrammeDraft.objects.select_for_update(of=("self",)).get(pk=draft.pk)
    if revision is not None and found.revision != revision:
        raise Conflict(_("The draft was changed meanwhile. Read it again."))
    return found


def _check_changeable(draft: ProgrammeDraft) -> None:
    if draft.status == DraftStatus.HANDED_IN:
        raise Refused(_("The draft waits for a second person. Take it back to change it."))
    if not draft.is_changeable:
        raise Refused(_("This draft is closed. Begin a new one."))


def _check_waits(draft: ProgrammeDraft) -> None:
    if draft.status != DraftStatus.HANDED_IN:
        raise Refused(_("The draft does not wait for a second person: %(status)s.") % {"status": _status(draft)})


def _status(draft: ProgrammeDraft) -> str:
    return str(DraftStatus(draft.status).label)


def _save_change(draft: ProgrammeDraft, *fields: str) -> None:
    draft.status = DraftStatus.DRAFT
    draft.revision += 1
    draft.changed_at = timezone.now()
    draft.save(update_fields=[*fields, "status", "revision", "changed_at"])


def _words(text: str, length: int, field: str) -> str:
    text = " ".join(text.split())
    if not text.isprintable():
        raise Refused(_("Remove the characters that cannot be seen"), field=field)
    if len(text) > length:
        raise Refused(_("Shorten this to %(count)s characters") % {"count": length}, field=field)
    return text
