"""The offer that a new shop begins with."""

from __future__ import annotations

from datetime import time

from loyaltycrm.core.models import Company, User
from loyaltycrm.lib.formats import money
from rewards.actions.offers import OfferContent, create_offer
from rewards.benefits import MoneyOff
from rewards.models import Offer, Schedule

NAME = "A thank-you for coming back"

_TEXTS = {
    "en": {
        "subject": "{first_name}, {benefit} as a thank-you",
        "heading": "Thank you for coming back, {first_name}",
        "body": (
            "You visit us again and again, and we notice. This one is on us: show the code below at the till "
            "on your next visit.\n\nSee you soon."
        ),
    },
    "lv": {
        "subject": "{first_name}, {benefit} kā paldies",
        "heading": "Paldies, ka atgriežaties, {first_name}",
        "body": (
            "Jūs pie mums iegriežaties atkal un atkal, un mēs to pamanām. Šoreiz daļu apmaksāsim mēs: "
            "nākamajā apmeklējumā parādiet kasē zemāk redzamo kodu.\n\nUz drīzu tikšanos."
        ),
    },
    "ru": {
        "subject": "{first_name}, {benefit} в знак благодарности",
        "heading": "Спасибо, что возвращаетесь, {first_name}",
        "body": (
            "Вы приходите к нам снова и снова, и мы это замечаем. Теперь часть покупки за нами: "
            "в следующий визит покажите на кассе код ниже.\n\nДо скорой встречи."
        ),
    },
}
_BENEFIT = {"en": "{money} off", "lv": "{money} atlaide", "ru": "скидка {money}"}
_VALUE_CENTS = 3_00


def ship_thank_you_offer(*, by: User | None) -> Offer:
    """The draft of "A thank-you for coming back" in three languages; made once, found again after that.

    3.00 off a visit of 6.00 or more, two weeks long, on the first of each month at 10:00, a tenth as control group.
    """
    known = Offer.objects.filter(name=NAME).order_by("id").first()
    if known is not None:
        return known
    currency = Company.current().currency
    content = OfferContent(
        name=NAME,
        benefit_names={
            code: words.format(money=money(_VALUE_CENTS, currency, code, trim=True)) for code, words in _BENEFIT.items()
        },
        benefit=MoneyOff(value_cents=_VALUE_CENTS, minimum_spend_cents=6_00),
        valid_days=14,
        texts=_TEXTS,
        schedule=Schedule.MONTHLY,
        day=1,
        send_at=time(10),
        control_percent=10,
    )
    return create_offer(content=content, by=by)
