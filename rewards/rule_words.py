"""One earning rule in plain words: what it gives, under which conditions, within which limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.models import PaymentMethod, VisitChannel
from loyaltycrm.core.models import Store
from loyaltycrm.lib.formats import EN_DASH, clock, money, points, short_date, weekdays
from loyaltycrm.lib.translated import pick
from rewards.benefits.words import factor_in_words
from rewards.models import Partner
from rewards.programme.earning_rules import Bonus, EarningRule, PerAmount, When
from rewards.programme.evaluation import EarningLine


@dataclass(frozen=True, slots=True)
class Terms:
    """What the words of a version need: the currency, names of stores and partners by code, of tiers by key."""

    currency: str
    stores: Mapping[str, str]
    tiers: Mapping[str, str]
    partners: Mapping[str, str]

    def store(self, code: str) -> str:
        """The store's name; its code where this shop has no such store."""
        return self.stores.get(code.casefold(), code)


def store_names() -> dict[str, str]:
    """The names of all stores by code, the code in small letters. One query."""
    return {code.casefold(): name for code, name in Store.objects.values_list("code", "name")}


def partner_names() -> dict[str, str]:
    """The names of all partners by code. One query."""
    return dict(Partner.objects.values_list("code", "name"))


def addend_in_words(line: EarningLine, *, net_cents: int, currency: str) -> str:
    """Why a visit of that amount gives the points of this line: the amount with its rate, or the rule by its name.

    Where not all of it earns points (gift cards, what points paid, tax), the amount is what does.
    """
    amount = money(net_cents if line.counted_cents is None else line.counted_cents, currency)
    if line.rule is None:
        return amount
    gives = line.rule.gives
    if line.names is not None or gives.kind != "per_amount":
        return pick(line.rule.names)
    return _("%(amount)s, %(points)s per %(step)s") % {
        "amount": amount,
        "points": points(gives.points),
        "step": money(gives.step_cents, currency, trim=True),
    }


def rule_in_words(rule: EarningRule, terms: Terms) -> str:
    """The whole rule as one line of a few sentences."""
    return " ".join([gives_in_words(rule, terms), *conditions_in_words(rule, terms), *limits_in_words(rule)])


def gives_in_words(rule: EarningRule, terms: Terms) -> str:
    """What a rule gives where it applies, beginning with its name."""
    gives = rule.gives
    if isinstance(gives, Bonus):
        what = _("%(points)s extra.") % {"points": points(gives.points)}
    elif isinstance(gives, PerAmount):
        amounts = {"points": points(gives.points), "step": money(gives.step_cents, terms.currency)}
        if gives.proportional:
            what = _("%(points)s for each %(step)s paid; parts earn their share.") % amounts
        else:
            what = _("Every full %(step)s paid earns %(points)s. Parts of a step earn nothing.") % amounts
    else:
        what = _("The points from the rules above ×%(factor)s.") % {"factor": factor_in_words(gives.factor)}
    return _("%(name)s: %(what)s") % {"name": pick(rule.names), "what": what}


def conditions_in_words(rule: EarningRule, terms: Terms) -> list[str]:
    """A sentence that lists the conditions; none where the rule always applies."""
    found = list(_conditions(rule.when, terms))
    if not found:
        return []
    words = ngettext(
        "Only where this holds: %(conditions)s.", "Only where all of this holds: %(conditions)s.", len(found)
    )
    return [words % {"conditions": "; ".join(found)}]


def limits_in_words(rule: EarningRule) -> list[str]:
    """The cap, the budget and the group of a rule, a sentence each."""
    sentences = []
    if rule.cap is not None:
        words = {
            "visit": _("For one customer at most %(points)s a visit."),
            "day": _("For one customer at most %(points)s a day."),
            "week": _("For one customer at most %(points)s a week, Monday to Sunday."),
            "month": _("For one customer at most %(points)s a month."),
            "year": _("For one customer at most %(points)s a year."),
            "ever": _("For one customer at most %(points)s altogether."),
        }
        sentences.append(words[rule.cap.per] % {"points": points(rule.cap.points)})
    if rule.budget_points is not None:
        sentences.append(
            _("For all customers together at most %(points)s; then the rule gives nothing.")
            % {"points": points(rule.budget_points)}
        )
    if rule.group is not None:
        sentences.append(
            _("Of the rules of group “%(group)s” only the best for the customer counts.") % {"group": rule.group}
        )
    return sentences


def _conditions(when: When, terms: Terms) -> Iterator[str]:
    yield from _place_and_time(when, terms)
    yield from _goods_and_money(when, terms)
    yield from _customer(when, terms)


def _place_and_time(when: When, terms: Terms) -> Iterator[str]:
    if when.stores:
        yield _("stores (%(names)s)") % {"names": ", ".join(terms.store(code) for code in when.stores)}
    if when.channels:
        names = ", ".join(str(VisitChannel(channel).label) for channel in when.channels)
        yield _("where the visit is recorded (%(names)s)") % {"names": names}
    if when.weekdays:
        yield _("weekdays (%(names)s)") % {"names": weekdays(when.weekdays)}
    if when.from_time is not None or when.until_time is not None:
        start, end = when.from_time or time(0), when.until_time
        yield _("hours (%(hours)s)") % {"hours": f"{clock(start)}{EN_DASH}{clock(end) if end else '24:00'}"}
    if when.first_day is not None:
        yield _("first day: %(date)s") % {"date": short_date(when.first_day)}
    if when.last_day is not None:
        yield _("last day: %(date)s") % {"date": short_date(when.last_day)}


def _goods_and_money(when: When, terms: Terms) -> Iterator[str]:
    if when.products:
        yield _("only goods with these product numbers (%(names)s)") % {"names": ", ".join(when.products)}
    if when.categories:
        yield _("only goods of these categories (%(names)s)") % {"names": ", ".join(when.categories)}
    if when.min_net_cents:
        words = _("these goods for at least %(amount)s") if when.sees_lines else _("paid at least %(amount)s")
        yield words % {"amount": money(when.min_net_cents, terms.currency)}
    if when.payment_methods:
        names = ", ".join(str(PaymentMethod(method).label) for method in when.payment_methods)
        yield _("paid with (%(names)s)") % {"names": names}
    if when.partners:
        yield _("bought at these partners (%(names)s)") % {
            "names": ", ".join(terms.partners.get(code, code) for code in when.partners)
        }


def _customer(when: When, terms: Terms) -> Iterator[str]:
    if when.tiers:
        yield _("tier before the visit (%(names)s)") % {
            "names": ", ".join(terms.tiers.get(key, key) for key in when.tiers)
        }
    if when.members_only:
        yield _("the customer's membership holds")
    if when.first_purchase:
        yield _("the customer's first purchase")
    if when.birthday is not None:
        words = {
            "day": _("the customer's birthday"),
            "week": _("the week of the customer's birthday"),
            "month": _("the month of the customer's birthday"),
        }
        yield words[when.birthday]
