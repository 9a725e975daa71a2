"""Who is in a run, who is left out of it and why. A segment names the audience; one statement answers for all of it.

The order of the reasons is the order of the funnel on the offer's page: an address, consent, nobody who unsubscribed
at that address since, no open complaint, a text they can read, no recent offer, one mail per address. Of what remains
the households that are held out of all offers get nothing; the others are split at random into the control group and
those who get the mail, by household. Where only a few are asked, those to whom an event happened, each household is
drawn by itself: a tenth of three people would always be nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, QuerySet

from customers.models import Channel, ConsentEvent, Customer, Purpose
from customers.queries import household_of, households
from customers.segments import Definition, members_of
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.knobs import value
from loyaltycrm.core.models import Company
from rewards.hold_out import drawn_to_be_held_out, held_out_through
from rewards.knobs import OFFER_GAP_DAYS
from rewards.models import DeliveryReason, DeliveryStatus

TEXT_FIELDS: Final = ("subject", "heading", "body")
ON_ITS_WAY: Final = (DeliveryStatus.PENDING, DeliveryStatus.CLAIMED, DeliveryStatus.HANDING_OVER)
MAILED: Final = (DeliveryStatus.SENT, DeliveryStatus.UNKNOWN)
HAS_LEFT: Final = (DeliveryStatus.HANDING_OVER, *MAILED)
"""A mail that is with its reader, or may be: its code is good."""
COUNTS_AS_CONTACT: Final = (
    *ON_ITS_WAY,
    *MAILED,
    DeliveryStatus.CONTROL,
)

NEWEST_CONSENT: Final = f"""
    SELECT e.given, e.occurred_at FROM customers_consentevent e
    WHERE e.customer_id = c.id AND e.purpose = '{Purpose.OFFERS}' AND e.channel = '{Channel.EMAIL}'
    ORDER BY e.occurred_at DESC, e.id DESC LIMIT 1
"""  # noqa: S608 - constants only
ADDRESS_UNSUBSCRIBED: Final = f"""
    SELECT 1 FROM customers_customer other JOIN customers_consentevent said
    ON said.customer_id IN (other.id, other.merged_into_id)
    WHERE other.email_key = c.email_key AND other.email_key <> ''
    AND said.purpose = '{Purpose.OFFERS}' AND said.channel = '{Channel.EMAIL}' AND NOT said.given
    AND said.source IN ('{ConsentEvent.Source.UNSUBSCRIBE}', '{ConsentEvent.Source.PREFERENCES}')
    AND said.occurred_at > newest.occurred_at
"""  # noqa: S608 - constants only
STANDING_HOLD: Final = """
    SELECT 1 FROM customers_contacthold h WHERE h.customer_id = c.id AND h.released_at IS NULL
"""
SUPPRESSED_ADDRESS: Final = "SELECT 1 FROM customers_suppressedaddress s WHERE s.email_key = c.email_key"

PLACES: Final = f"""
    WITH homes AS (
        SELECT * FROM unnest(%(members)s::bigint[], %(households)s::bigint[]) AS h(customer_id, household)
    ), recent AS (
        SELECT DISTINCT homes.household FROM rewards_delivery d
        JOIN rewards_run r ON r.id = d.run_id JOIN homes ON homes.customer_id = d.customer_id
        WHERE d.status = ANY(%(contacts)s)
        AND (r.finished_at IS NULL OR r.finished_at > %(today)s::date - %(gap_days)s::int - 2 - r.own_time_days)
        AND (
            d.status = ANY(%(on_its_way)s) OR (GREATEST(
                COALESCE(d.sent_at, r.planned_at), r.planned_at + make_interval(days => r.own_time_days)
            ) AT TIME ZONE %(zone)s::text)::date > %(today)s::date - %(gap_days)s::int
        )
    ), audience AS (
        SELECT c.id AS customer_id, homes.household, c.email, c.email_key, c.language, c.first_name,
            (newest.occurred_at AT TIME ZONE %(zone)s::text)::date AS agreed_on,
            CASE
                WHEN c.email_key = '' THEN '{DeliveryReason.NO_ADDRESS}'
                WHEN EXISTS ({SUPPRESSED_ADDRESS}) THEN '{DeliveryReason.SUPPRESSED_ADDRESS}'
                WHEN newest.given IS NOT TRUE THEN '{DeliveryReason.NO_CONSENT}'
                WHEN EXISTS ({ADDRESS_UNSUBSCRIBED}) THEN '{DeliveryReason.UNSUBSCRIBED}'
                WHEN EXISTS ({STANDING_HOLD}) THEN '{DeliveryReason.CONTACT_HOLD}'
                WHEN c.language <> ALL(%(languages)s) THEN '{DeliveryReason.NO_TEXT}'
                WHEN homes.household IN (SELECT household FROM recent) THEN '{DeliveryReason.FREQUENCY}'
                ELSE ''
            END AS reason
        FROM unnest(%(audience)s::bigint[]) AS asked(id)
        JOIN customers_customer c ON c.id = asked.id
        JOIN homes ON homes.customer_id = c.id
        LEFT JOIN LATERAL ({NEWEST_CONSENT}) newest ON true
        WHERE c.merged_into_id IS NULL
    ), one_per_address AS (
        SELECT customer_id, household, email, email_key, language, first_name, agreed_on,
            CASE
                WHEN reason = '' AND row_number() OVER (PARTITION BY email_key, reason ORDER BY customer_id) > 1
                THEN '{DeliveryReason.SHARED_ADDRESS}' ELSE reason
            END AS reason
        FROM audience
    ), free AS (
        SELECT *, household IN (SELECT unnest(%(held_out)s::bigint[])) AS is_held_out FROM one_per_address
    ), drawn AS (
        SELECT *, dense_rank() OVER (
                PARTITION BY reason, is_held_out ORDER BY md5(%(seed)s::text || ':' || household), household
            ) AS place,
            (SELECT count(DISTINCT household) FROM free WHERE reason = '' AND NOT is_held_out) AS drawn_from
        FROM free
    )
    SELECT customer_id, household, email, email_key, language, first_name, agreed_on, reason,
        CASE
            WHEN reason <> '' THEN '{DeliveryStatus.SUPPRESSED}'
            WHEN is_held_out THEN '{DeliveryStatus.HELD_OUT}'
            WHEN CASE
                WHEN %(each_drawn)s::boolean
                THEN ('x' || left(md5(%(seed)s::text || ':' || household), 8))::bit(32)::bigint
                    < %(control_percent)s::int * (2 ^ 32 / 100)
                ELSE place <= round(drawn_from * %(control_percent)s::int / 100.0)
            END THEN '{DeliveryStatus.CONTROL}'
            ELSE '{DeliveryStatus.PENDING}'
        END AS status
    FROM drawn
"""  # noqa: S608 - constants only


def complete_languages(texts: Mapping[str, Mapping[str, str]], benefit_names: Mapping[str, str]) -> list[str]:
    """The languages in which an offer has every text a reader sees."""
    return [
        code
        for code, _name in settings.LANGUAGES
        if benefit_names.get(code, "").strip()
        and all((texts.get(code) or {}).get(field, "").strip() for field in TEXT_FIELDS)
    ]


def named_by(audience: Definition, *, on: date | None = None) -> QuerySet[Customer]:
    """Everyone in an audience on a day (default: today); nobody where it asks for a fact that is gone."""
    try:
        return members_of(audience, on=on)
    except Refused:
        return Customer.objects.none()


def readers_by_language(audience: Definition) -> dict[str, int]:
    """How many customers of an audience read each language."""
    counted = named_by(audience).order_by("language").values_list("language").annotate(Count("pk"))
    return dict(counted)


def place_parameters(
    *,
    audience: Definition,
    languages: Iterable[str],
    seed: int,
    control_percent: int,
    today: date,
    among: Collection[int] | None = None,
) -> dict[str, Any]:
    """What `PLACES` is asked with. Households are those of the audience, of everyone contacted of late and held out.

    `among` narrows the audience to those to whom an event happened (`rewards.occasions`).
    """
    named = named_by(audience, on=today)
    if among is not None:
        named = named.filter(pk__in=list(among))
    asked = list(named.values_list("pk", flat=True))
    held_out = drawn_to_be_held_out(today)
    members = households({*asked, *_recent_contacts(today, value(OFFER_GAP_DAYS)), *held_out})
    return {
        **_of_today(today, members, held_out={members[pk] for pk in held_out}),
        "audience": asked,
        "languages": list(languages),
        "seed": str(seed),
        "control_percent": control_percent,
        "each_drawn": among is not None,
    }


def parameters_of_one(customer: Customer, *, languages: Iterable[str], today: date) -> dict[str, Any]:
    """The same where one customer is asked and nobody else: no segment names them, and no control group is drawn."""
    home = [customer.pk, *(one.pk for one in household_of(customer))]
    profiles = Customer.objects.filter(Q(pk__in=home) | Q(merged_into__in=home))
    members = households(set(profiles.values_list("pk", flat=True)))
    is_held_out = held_out_through(customer, today) is not None
    return {
        **_of_today(today, members, held_out={members[customer.pk]} if is_held_out else ()),
        "audience": [customer.pk],
        "languages": list(languages),
        "seed": "",
        "control_percent": 0,
        "each_drawn": False,
    }


def _of_today(today: date, members: Mapping[int, int], *, held_out: Collection[int]) -> dict[str, Any]:
    return {
        "members": list(members),
        "households": list(members.values()),
        "on_its_way": [str(status) for status in ON_ITS_WAY],
        "contacts": [str(status) for status in COUNTS_AS_CONTACT],
        "zone": Company.current().time_zone,
        "today": today,
        "gap_days": value(OFFER_GAP_DAYS),
        "held_out": sorted(held_out),
    }


def place_of_one(customer: Customer, *, languages: Iterable[str], today: date) -> tuple[str, str]:
    """(status, reason) that the customer would have in a run that asks nobody else. Changes nothing."""
    parameters = parameters_of_one(customer, languages=languages, today=today)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT status, reason FROM ({PLACES}) AS p", parameters)  # noqa: S608
        status, reason = cursor.fetchone()
    return status, reason


def _recent_contacts(today: date, gap_days: int) -> set[int]:
    """Everyone whose deliveries may still count against their household."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT d.customer_id FROM rewards_run r JOIN rewards_delivery d ON d.run_id = r.id
            WHERE (r.finished_at IS NULL OR r.finished_at > %s::date - %s::int - 2 - r.own_time_days)
            AND d.status = ANY(%s)
            """,
            [today, gap_days, [str(status) for status in COUNTS_AS_CONTACT]],
        )
        return {pk for (pk,) in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Funnel:
    """An audience counted: everyone who matches, those left out by reason, held out, in control, and the readers."""

    matching: int
    left_out: dict[str, int]
    held_out: int
    control: int
    mailed: int


def count_audience(
    *,
    audience: Definition,
    languages: Iterable[str],
    control_percent: int,
    today: date,
    seed: int = 0,
    among: Collection[int] | None = None,
) -> Funnel:
    """What a run planned now would look like, in numbers. Changes nothing."""
    return count_places(
        place_parameters(
            audience=audience,
            languages=languages,
            seed=seed,
            control_percent=control_percent,
            today=today,
            among=among,
        )
    )


def count_places(parameters: dict[str, Any]) -> Funnel:
    """The same from what `PLACES` is asked with."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT status, reason, count(*) FROM ({PLACES}) AS p GROUP BY 1, 2", parameters)  # noqa: S608
        counted = {(status, reason): count for status, reason, count in cursor.fetchall()}
    return Funnel(
        matching=sum(counted.values()),
        left_out={
            str(reason): counted[(DeliveryStatus.SUPPRESSED, reason)]
            for reason in DeliveryReason.values
            if (DeliveryStatus.SUPPRESSED, reason) in counted
        },
        held_out=counted.get((DeliveryStatus.HELD_OUT, ""), 0),
        control=counted.get((DeliveryStatus.CONTROL, ""), 0),
        mailed=counted.get((DeliveryStatus.PENDING, ""), 0),
    )
