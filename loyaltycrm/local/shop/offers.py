"""Offers of several kinds beside the thank-you, as a shop would have them."""

from __future__ import annotations

from datetime import time
from typing import Any, Final

from customers.actions.segments import save_segment
from loyaltycrm.core.models import User
from rewards.actions.offers import OfferContent, activate_offer, create_offer
from rewards.benefits import Benefit, EarlyAccess, FreeItem, PercentOff
from rewards.models import Offer, OfferEvent, Schedule

LANGUAGES: Final = ("en", "lv", "ru")
_Words = tuple[str, str, str]


def fill_offers(*, by: User) -> list[Offer]:
    """A birthday that is answered each day, a share off with a budget, and a promise that waits for its message."""
    everyone = save_segment(name="With an email address", definition={"email": {"is": True}}, is_shared=True, by=by)
    birthday = _offer(
        "Happy birthday",
        FreeItem(worth_cents=4_80),
        ("A loaf of your choice", "Kukulis pēc Jūsu izvēles", "Хлеб на Ваш выбор"),
        subjects=(
            "{first_name}, {benefit} for your birthday",
            "{first_name}, dzimšanas dienā: {benefit}",
            "{first_name}, ко дню рождения: {benefit}",
        ),
        headings=(
            "Happy birthday, {first_name}",
            "Daudz laimes dzimšanas dienā, {first_name}",
            "С днём рождения, {first_name}",
        ),
        bodies=(
            "Come by within a month: a loaf of your choice is waiting, and it is on us.",
            "Ienāciet mēneša laikā: kukulis pēc Jūsu izvēles gaida, un to maksājam mēs.",
            "Загляните в течение месяца: хлеб на Ваш выбор ждёт Вас, платим мы.",
        ),
        by=by,
        segment=everyone,
        schedule=Schedule.EVENT,
        event=OfferEvent.BIRTHDAY,
        day=0,
        valid_days=30,
        priority=8,
    )
    share = _offer(
        "A tenth off in the second half of the month",
        PercentOff(basis_points=1_000, cap_cents=5_00),
        ("10% off one visit", "10 % atlaide vienam apmeklējumam", "скидка 10 % на одну покупку"),
        subjects=("{first_name}, {benefit}", "{first_name}, Jums {benefit}", "{first_name}, Вам {benefit}"),
        headings=(
            "A little off, {first_name}",
            "Neliela atlaide, {first_name}",
            "Небольшая скидка, {first_name}",
        ),
        bodies=(
            "Until the end of the month one visit costs you a tenth less.",
            "Līdz mēneša beigām viens apmeklējums Jums maksā par desmito daļu mazāk.",
            "До конца месяца одна покупка обойдётся Вам на десятую часть дешевле.",
        ),
        by=by,
        day=16,
        budget_cents=300_00,
        control_percent=20,
    )
    early = _offer(
        "Christmas bread before everybody",
        EarlyAccess(days_before=2, within_days=30),
        ("Christmas bread two days early", "Ziemassvētku maize divas dienas agrāk", "Рождественский хлеб раньше всех"),
        subjects=("{first_name}, {benefit}", "{first_name}, {benefit}", ""),
        headings=("Before everybody, {first_name}", "Pirms citiem, {first_name}", ""),
        bodies=(
            "Tell us when you come, and a loaf is put aside for you two days before everybody else.",
            "Pasakiet, kad nāksiet, un kukulis Jums būs atlikts divas dienas agrāk nekā citiem.",
            "",
        ),
        by=by,
        day=1,
    )
    return [*(activate_offer(offer=offer, by=by) for offer in (birthday, share)), early]


def _offer(
    name: str,
    benefit: Benefit,
    names: _Words,
    *,
    subjects: _Words,
    headings: _Words,
    bodies: _Words,
    by: User,
    **changes: Any,
) -> Offer:
    words = zip(LANGUAGES, subjects, headings, bodies, strict=True)
    content = OfferContent(
        name=name,
        benefit=benefit,
        benefit_names=dict(zip(LANGUAGES, names, strict=True)),
        texts={code: {"subject": subject, "heading": heading, "body": body} for code, subject, heading, body in words},
        send_at=time(10),
        **changes,
    )
    return create_offer(content=content, by=by)
