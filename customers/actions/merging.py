"""Two profiles found to be one person: whose facts they are while the merge stands, and again after it was undone.

Facts move by changing whose they are; `MergedRows` keeps which moved. Other apps move theirs with the same two
functions (`move_rows`, `return_rows`), in the transaction of `loyaltycrm.shop.actions.merging`.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.actions.customers import index_customers
from customers.models import (
    Classification,
    ConsentEvent,
    ContactHold,
    Customer,
    CustomerMail,
    CustomerNote,
    CustomerValue,
    HouseholdMember,
    Identifier,
    LoyaltyFlag,
    Membership,
    Merge,
    MergedRows,
    NoteKind,
    PageLink,
    Signal,
    UnsubscribeToken,
    Visit,
)
from customers.queries import newest_consent
from loyaltycrm.core.actions import audit
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import User

LONGEST_REASON = 200
OWNED = (Visit, Identifier, Signal, ContactHold, LoyaltyFlag, UnsubscribeToken, PageLink, CustomerMail)
MOVED_UNLESS_THERE = (Membership, CustomerNote, HouseholdMember)
FILLED = ("first_name", "last_name", "phone", "birthday", "age_band", "household_size", "home_store_id")
_PROFILES = "customers_customer"
_STAFF = "core_user"


def check_may_merge(*, survivor: Customer, merged: Customer, by: User) -> None:
    """Raise `Refused`, saying why, where these two cannot be merged by this person."""
    if survivor.pk == merged.pk:
        raise Refused(_("This is the same customer. Choose another one."), field="other")
    for customer in (survivor, merged):
        if customer.merged_into_id is not None:
            raise Refused(
                _("%(name)s was merged into another customer already. Open the customer again.")
                % {"name": customer.full_name},
                field="other",
            )
        if customer.erased_at is not None:
            raise Refused(_("This person was erased. Choose another one."), field="other")
    _refuse_own(by, [survivor.pk, merged.pk])


def check_may_undo(*, merge: Merge, by: User) -> None:
    """Raise `Refused`, saying why, where this merge cannot be undone now by this person: the newest goes first."""
    if merge.undone_at is not None:
        raise Refused(_("This merge was undone already."))
    if merge.survivor.erased_at is not None:
        raise Refused(_("This person was erased. Nothing is left to part."))
    later = Merge.objects.standing().filter(pk__gt=merge.pk)
    newer = later.filter(Q(survivor=merge.survivor) | Q(merged=merge.survivor)).order_by("-pk").first()
    if newer is not None:
        raise Refused(
            _("%(merged)s was merged into %(survivor)s later. Undo that merge first.")
            % {"merged": newer.merged.full_name, "survivor": newer.survivor.full_name}
        )
    _refuse_own(by, [merge.survivor_id, merge.merged_id])


def _refuse_own(by: User, customer_ids: list[int]) -> None:
    if by.customer_id is None:
        return
    own = Customer.objects.filter(pk=by.customer_id).values_list("merged_into", flat=True).first()
    if by.customer_id in customer_ids or own in customer_ids:
        raise Refused(_("You cannot merge your own profile. Ask a colleague."))


def clean_reason(text: str) -> str:
    """The reason for a merge in one line. Raises `Refused` where it is blank or too long."""
    reason = " ".join(text.split())
    if not reason:
        raise Refused(_("Write why, in a few words."), field="reason")
    if len(reason) > LONGEST_REASON:
        raise Refused(_("Write why in at most 200 characters."), field="reason")
    return reason


def lock_rows(model: type[Model], customer_ids: list[int]) -> None:
    """Lock the rows of these customers in id order: whoever changes one waits, and then finds whose it is."""
    rows: QuerySet[Any] = QuerySet(model).filter(customer_id__in=customer_ids).order_by("pk")
    list(rows.select_for_update(of=("self",)).values_list("pk", flat=True))


def lock_visits(customer_ids: list[int]) -> None:
    """Lock the visits of these customers, before accounts, as refunds and voids do."""
    lock_rows(Visit, customer_ids)


def merge_facts(*, survivor: Customer, merged: Customer, reason: str, by: User) -> Merge:
    """Record the merge and make everything known about the merged customer the survivor's.

    Blank details of the survivor are filled with the merged customer's. Consent is the stricter of both. Visits and
    accounts are locked before. Raises `Refused` as `check_may_merge` does.
    """
    pair = {one.pk: one for one in _locked([survivor.pk, merged.pk])}
    survivor, merged = pair[survivor.pk], pair[merged.pk]
    check_may_merge(survivor=survivor, merged=merged, by=by)
    merge = Merge.objects.create(survivor=survivor, merged=merged, reason=clean_reason(reason), merged_by=by)
    former = list(Customer.objects.filter(merged_into=merged).order_by("pk").values_list("pk", flat=True))
    Customer.objects.filter(pk__in=[merged.pk, *former]).update(merged_into=survivor)
    _remember(merge, _PROFILES, former)
    for model in OWNED:
        move_rows(merge, model)
    _move_unless_there(merge)
    people = list(User.objects.filter(customer_id=merged.pk).order_by("pk").values_list("pk", flat=True))
    User.objects.filter(pk__in=people).update(customer_id=survivor.pk)
    _remember(merge, _STAFF, people)
    _fill_blanks(merge)
    _take_stricter_consent(merge, by=by)
    for derived in (Classification, CustomerValue):
        QuerySet(derived).filter(customer_id=merged.pk).delete()
    index_customers([survivor.pk, merged.pk, *former])
    audit.record(
        "merge customers", survivor, by=by, data={"merge": merge.pk, "merged": merged.pk, "reason": merge.reason}
    )
    return merge


def undo_merge_of_facts(*, merge: Merge, by: User) -> Merge:
    """Make what was known about the merged customer theirs again; what came since stays the survivor's.

    Raises `Refused` as `check_may_undo` does.
    """
    merge = Merge.objects.select_for_update(of=("self",)).get(pk=merge.pk)
    list(_locked([merge.survivor_id, merge.merged_id]))
    check_may_undo(merge=merge, by=by)
    merge.undone_at, merge.undone_by = timezone.now(), by
    merge.save(update_fields=["undone_at", "undone_by"])
    former = _remembered(merge, _PROFILES)
    Customer.objects.filter(pk=merge.merged_id).update(merged_into=None)
    Customer.objects.filter(pk__in=former).update(merged_into=merge.merged_id)
    for model in (*OWNED, *MOVED_UNLESS_THERE):
        return_rows(merge, model)
    User.objects.filter(pk__in=_remembered(merge, _STAFF), customer_id=merge.survivor_id).update(
        customer_id=merge.merged_id
    )
    _blank_again(merge)
    _part_consent(merge, by=by)
    index_customers([merge.survivor_id, merge.merged_id, *former])
    audit.record("undo merge of customers", merge.survivor, by=by, data={"merge": merge.pk, "merged": merge.merged_id})
    return merge


def move_rows(merge: Merge, model: type[Model], rows: QuerySet[Any] | None = None) -> int:
    """Make the merged customer's rows of a table (of those in `rows`) the survivor's; return how many moved."""
    owned = (QuerySet(model) if rows is None else rows).filter(customer_id=merge.merged_id)
    ids = list(owned.order_by("pk").values_list("pk", flat=True))
    QuerySet(model).filter(pk__in=ids).update(customer_id=merge.survivor_id)
    _remember(merge, model._meta.db_table, ids)
    return len(ids)


def return_rows(merge: Merge, model: type[Model]) -> int:
    """Give the merged customer's rows of a table back, those that are still the survivor's; return how many."""
    ids = _remembered(merge, model._meta.db_table)
    kept: QuerySet[Any] = QuerySet(model).filter(pk__in=ids, customer_id=merge.survivor_id)
    return int(kept.update(customer_id=merge.merged_id))


def _move_unless_there(merge: Merge) -> None:
    """Move what a customer can have but once, unless the survivor has it: then the survivor's holds."""
    survivor = merge.survivor
    days = Membership.objects.filter(customer=survivor, cancelled_from__isnull=True).values("starts_on")
    move_rows(merge, Membership, Membership.objects.exclude(starts_on__in=days, cancelled_from__isnull=True))
    lines = CustomerNote.objects.standing().filter(customer=survivor, kind=NoteKind.TILL)
    move_rows(merge, CustomerNote, CustomerNote.objects.exclude(kind=NoteKind.TILL) if lines else None)
    homes = HouseholdMember.objects.standing().filter(customer=survivor).values("household")
    move_rows(merge, HouseholdMember, HouseholdMember.objects.exclude(household__in=homes, removed_at__isnull=True))


def _locked(customer_ids: list[int]) -> QuerySet[Customer]:
    return Customer.objects.select_for_update(of=("self",)).filter(pk__in=customer_ids).order_by("pk")


def _remember(merge: Merge, table: str, ids: list[int]) -> None:
    if ids:
        MergedRows.objects.create(merge=merge, table=table, row_ids=ids)


def _remembered(merge: Merge, table: str) -> list[int]:
    return next(iter(MergedRows.objects.filter(merge=merge, table=table).values_list("row_ids", flat=True)), [])


def _fill_blanks(merge: Merge) -> None:
    """Give the survivor what it lacks; what it had before is kept with the merge: blanks, and an older joining day."""
    survivor, merged = merge.survivor, merge.merged
    names = [name for name in FILLED if getattr(survivor, name) in ("", None) and getattr(merged, name)]
    before: dict[str, Any] = {name: getattr(survivor, name) for name in names}
    if not survivor.email and merged.email:
        before |= {"email": "", "email_key": ""}
    if merged.joined_on < survivor.joined_on:
        before["joined_on"] = survivor.joined_on.isoformat()
    for name in before:
        setattr(survivor, name, getattr(merged, name))
    survivor.save(update_fields=list(before))
    merge.details_before = before
    merge.save(update_fields=["details_before"])


def _blank_again(merge: Merge) -> None:
    survivor, merged = Customer.objects.get(pk=merge.survivor_id), merge.merged
    before = {
        name: was for name, was in merge.details_before.items() if getattr(survivor, name) == getattr(merged, name)
    }
    for name, was in before.items():
        setattr(survivor, name, was)
    survivor.save(update_fields=list(before))


def _take_stricter_consent(merge: Merge, *, by: User) -> None:
    """A no for every list to which one of the two said no or nothing while the other said yes or no."""
    ours, theirs = newest_consent(merge.survivor), newest_consent(merge.merged)
    for purpose, channel in sorted({*ours, *theirs}):
        own, other = ours.get((purpose, channel)), theirs.get((purpose, channel))
        is_loosened = own is not None and own.given and not (other and other.given)
        if is_loosened or (own is None and other is not None and not other.given):
            latest = max(timezone.now(), own.occurred_at) if own else timezone.now()
            _say(merge.survivor, purpose, channel, given=False, basis=f"merge:{merge.pk}", at=latest, by=by)


def _part_consent(merge: Merge, *, by: User) -> None:
    """The survivor's own word holds again where nothing was said since; a no said since holds for both."""
    newest = newest_consent(merge.survivor)
    for (purpose, channel), event in newest.items():
        if event.basis == f"merge:{merge.pk}" and _said_before(event):
            at = max(timezone.now(), event.occurred_at)
            _say(merge.survivor, purpose, channel, given=True, basis=f"unmerge:{merge.pk}", at=at, by=by)
    theirs = newest_consent(merge.merged)
    since = ConsentEvent.objects.filter(customer=merge.survivor, recorded_at__gte=merge.merged_at)
    own_words = since.exclude(source=ConsentEvent.Source.MERGE).order_by("occurred_at", "pk")
    for (purpose, channel), word in {(one.purpose, one.channel): one for one in own_words}.items():
        before = theirs.get((purpose, channel))
        if not word.given and (before is None or before.given):
            at = max(word.occurred_at, before.occurred_at) if before else word.occurred_at
            basis = f"unmerge:{merge.pk}"
            _say(merge.merged, purpose, channel, given=False, basis=basis, at=at, by=by, source=word.source)


def _said_before(event: ConsentEvent) -> bool:
    """Whether the customer's word before this event was yes."""
    earlier = ConsentEvent.objects.filter(
        customer=event.customer_id, purpose=event.purpose, channel=event.channel, pk__lt=event.pk
    )
    return bool(earlier.order_by("-occurred_at", "-pk").values_list("given", flat=True).first())


def _say(
    customer: Customer,
    purpose: str,
    channel: str,
    *,
    given: bool,
    basis: str,
    at: Any,
    by: User,
    source: str = ConsentEvent.Source.MERGE,
) -> None:
    ConsentEvent.objects.create(
        customer=customer,
        purpose=purpose,
        channel=channel,
        given=given,
        basis=basis,
        source=source,
        occurred_at=at,
        recorded_by=by,
    )
    what = {"purpose": purpose, "channel": channel, "given": given, "source": source, "basis": basis}
    audit.record("record consent", customer, by=by, data=what)
