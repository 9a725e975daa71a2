"""Erasing a person: what tells who they were goes, amounts and dates stay, the balance is closed by a posting.

What becomes of each table stands in `loyaltycrm.shop.personal_data`. Locks are that of planning, then those of a merge
in the same order.
"""

from __future__ import annotations

import json
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Func, JSONField, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from customers.actions.erasing import (
    check_may_erase,
    end_consent,
    end_memberships,
    make_nobody,
    remember_marks,
)
from customers.actions.telling import tell_of_erasure
from customers.models import Customer, Erasure, ErasureReason, HouseholdMember, Merge
from feedback.actions.erasing import close_surveys, end_tickets
from loyaltycrm.core.actions import audit
from loyaltycrm.core.actions.import_jobs import empty_every_import
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import AuditEvent, IdempotencyRecord, User
from loyaltycrm.lib.faults import crash_point
from loyaltycrm.lib.transactions import atomic_with_retry
from loyaltycrm.shop.actions.merging import lock_people
from loyaltycrm.shop.personal_data import HELD, WORDLESS, Fate
from loyaltycrm.shop.queries.erasing import profiles_of
from rewards.actions.closing import close_account, end_rewards, forget_rewards
from rewards.actions.planning import let_nothing_be_planned

# What people write in their own words in an audit row; the database lets go of these and of nothing else.
_WORDS: Final = ["reason", "reply", "note"]
_TEXTS: Final = ArrayField(TextField())
_SAID: Final = Cast(Value(_WORDS, output_field=_TEXTS), _TEXTS)
_WITHOUT_WORDS: Final = Func(F("data"), _SAID, template="(%(expressions)s)", arg_joiner=" - ", output_field=JSONField())
# Whose "reason" is a key of a list that managers keep.
_BY_KEY: Final = ("rewards.adjustment",)

# What an answer to a till says of a person beside the number.
_TELLS_WHO: Final = frozenset(
    ["name", "first_name", "last_name", "email", "email_masked", "phone", "phone_masked", "card", "birthday"]
)


@atomic_with_retry
def erase_customer(*, customer: Customer, reason: str, by: User | None) -> Erasure:
    """Erase the person: all profiles merged into this one too. Sent again it is the same erasure. There is no way back.

    `by` is None where the customer asked on their own page. Raises `Refused` for a reason that is none, for the
    profile of whoever asks, while a mail to the person is being handed over, and where a merge came in between.
    """
    if reason not in ErasureReason.values:
        raise Refused(_("Choose a reason."), field="reason")
    let_nothing_be_planned()
    customer = Customer.objects.get(pk=customer.pk).current
    family = profiles_of(customer)
    lock_people(family)
    if profiles_of(customer) != family or Customer.objects.get(pk=customer.pk).merged_into_id is not None:
        raise Refused(_("This customer was merged with another a moment ago. Open the customer again."))
    profiles = list(Customer.objects.select_for_update(of=("self",)).filter(pk__in=family).order_by("pk"))
    customer = next(one for one in profiles if one.pk == customer.pk)
    if customer.erased_at is not None:
        return Erasure.objects.get(pk=customer.pk)
    check_may_erase(customer=customer, by=by)
    number = customer.external_id
    known = {one.external_id for one in profiles}
    ended = {
        "tickets": end_tickets(customer=customer, by=by),
        **end_rewards(customer=customer, by=by),
        "memberships": end_memberships(customer=customer, by=by),
    }
    end_consent(customer=customer, by=by)
    crash_point("erase.ended")
    points = close_account(customer=customer, by=by)
    crash_point("erase.closed")
    remember_marks(profiles)
    crash_point("erase.remembered")
    _forget_words(family)
    _forget_words_about_others(family)
    forget_rewards(family)
    close_surveys(family)
    _forget_rows(family)
    make_nobody(profiles)
    _forget_answers(known)
    empty_every_import(by=by)
    crash_point("erase.forgotten")
    erasure = Erasure.objects.create(customer=customer, reason=reason, points=points, erased_by=by)
    audit.record("erase customer", customer, by=by, data={"why": reason, "points": points, **ended})
    tell_of_erasure(customer_id=customer.pk, number=number, former_ids=family[1:])
    return erasure


def _forget_rows(customer_ids: list[int]) -> None:
    for held in HELD:
        rows = held.rows(customer_ids)
        if held.fate == Fate.REMOVED:
            rows.delete()
        elif held.blanked:
            rows.update(**held.blanked)


def _forget_words(customer_ids: list[int]) -> None:
    """Take from the audit log what people wrote about the person; who did what and when stays."""
    for held in HELD:
        label = held.table._meta.label_lower
        if label in _BY_KEY:
            continue
        ids = list(held.rows(customer_ids).values_list("pk", flat=True))
        _forget_said(AuditEvent.objects.filter(subject_type=label, subject_id__in=ids))


def _forget_words_about_others(customer_ids: list[int]) -> None:
    """Take what was written of the person and another one together out of the rows of the other."""
    about = AuditEvent.objects.filter(subject_type=Customer._meta.label_lower)
    merges = Merge.objects.filter(Q(survivor__in=customer_ids) | Q(merged__in=customer_ids))
    survivors = list(merges.values_list("survivor", flat=True))
    _forget_said(about.filter(subject_id__in=survivors, data__merge__in=list(merges.values_list("pk", flat=True))))
    places = HouseholdMember.objects.filter(customer__in=customer_ids)
    households = list(places.values_list("household", flat=True))
    others = HouseholdMember.objects.filter(household__in=households)
    people = list(others.values_list("customer", flat=True))
    people += Customer.objects.filter(merged_into__in=people).values_list("pk", flat=True)
    _forget_said(about.filter(subject_id__in=people, data__household__in=households))
    others.update(reason=WORDLESS)


def _forget_said(events: QuerySet[AuditEvent]) -> None:
    events.filter(data__has_any_keys=_WORDS).update(data=_WITHOUT_WORDS)


def _forget_answers(numbers: set[str]) -> None:
    """Take names and contacts out of the answers that a till would get again for a request of before."""
    for number in numbers:
        rows = IdempotencyRecord.objects.filter(scope__startswith="api:")
        told = _in_like(json.dumps(number, ensure_ascii=False))
        for row in rows.extra(where=["response::text LIKE %s"], params=[f"%{told}%"]).select_for_update():
            row.response = _without(row.response, number)
            row.save(update_fields=["response"])


def _in_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _without(told: Any, number: str) -> Any:
    """The answer without the number, and without what tells who it is beside it."""
    if isinstance(told, dict):
        tells = _TELLS_WHO if number in told.values() else frozenset()
        return {name: "" if name in tells and content else _without(content, number) for name, content in told.items()}
    if isinstance(told, list):
        return [_without(content, number) for content in told]
    return "" if told == number else told
