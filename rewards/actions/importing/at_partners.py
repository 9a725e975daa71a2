"""The partner at which a receipt was bought, as a file names it, for rules that ask for it: at the sale or a claim."""

# ruff: noqa: S608  (the statements are put together from names in this code, values are parameters)

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

from django.db import connection

from customers.models import VisitChannel
from loyaltycrm.core.imports import differs_from_known, unhurried
from loyaltycrm.lib import cells
from rewards.actions.partners import no_partner
from rewards.models import Partner, SaidOfSale
from rewards.programme import Basket, Programmes, as_facts, load_programmes

_LONGEST_CODE: Final = 20
_NAMED: Final = "s.partner IS NOT NULL AND NOT s.is_refund"
_DAYS: Final = f"SELECT DISTINCT s.business_date FROM import_receipts s WHERE s.state = 'unchanged' AND {_NAMED}"
# A code may have been sent in small letters. Where nothing was kept, nothing was said.
_OTHER: Final = f"""
    UPDATE import_receipts s SET state = 'conflict', at_column = 'partner', reason = %(differs)s::text
    FROM import_receipts r
    LEFT JOIN rewards_salefacts f ON f.visit_id = r.row_id LEFT JOIN rewards_saidofsale w ON w.visit_id = r.row_id
    WHERE r.n = s.n AND s.state = 'unchanged' AND {_NAMED} AND s.row_id IS NOT NULL
      AND s.business_date = ANY(%(days)s::date[])
      AND upper(coalesce(f.facts ->> 'partner', w.facts ->> 'partner', '')) <> s.partner"""
_OF_NOBODY: Final = f"""
    SELECT s.row_id, s.business_date, s.net_cents, s.clock::time(0), t.code, coalesce(s.payment_method, ''), s.partner
    FROM import_receipts s JOIN core_store t ON t.id = s.store_id
    WHERE s.chunk = %s AND s.state = 'new' AND s.owner_id IS NULL AND {_NAMED} ORDER BY s.row_id"""


def partner_cell() -> Callable[[str], str]:
    """Reads the code of a partner, in any case, and refuses one that no partner has. One query, before any row."""
    known = set(Partner.objects.values_list("code", flat=True))
    written = cells.number_text(_LONGEST_CODE)

    def read(text: str) -> str:
        code = written(text)
        if code.upper() not in known:
            raise cells.BadCell(no_partner(code))
        return code.upper()

    return read


def tell_other_partners() -> None:
    """Turn known receipts into conflicts where another partner was kept with them, or none.

    It is kept where the programme of the day asks for more than net and day; elsewhere it has no effect.
    """
    with unhurried() as cursor:
        cursor.execute(_DAYS)
        named = [day for (day,) in cursor.fetchall()]
        if not named:
            return
        programmes = load_programmes()
        days = [day for day in named if _asks(programmes, day)]
        cursor.execute(_OTHER, {"days": days, "differs": differs_from_known()})


def keep_for_claim(chunk: int, programmes: Programmes) -> None:
    """Keep the partner of the chunk's new sales without a customer, whose visits are written, as the till's words are:
    whoever claims one gets what the rules of its day give for it."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_NOBODY, [chunk])
        rows = [row for row in cursor.fetchall() if _asks(programmes, row[1])]
    SaidOfSale.objects.bulk_create(
        SaidOfSale(
            visit_id=visit,
            facts=as_facts(
                Basket(
                    net_cents=net_cents,
                    day=day,
                    clock=clock,
                    store=store,
                    channel=VisitChannel.IMPORT.value,
                    payment_method=payment_method,
                    partner=partner,
                )
            ),
        )
        for visit, day, net_cents, clock, store, payment_method, partner in rows
    )


def _asks(programmes: Programmes, day: date) -> bool:
    return programmes.at(day).needs.anything
