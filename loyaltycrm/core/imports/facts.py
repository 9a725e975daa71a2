"""The columns that imports know: what they are called for people, and by which names files call them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import itemgetter
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from loyaltycrm.lib.rows import RETURNED_COLUMNS


class Kind(Enum):
    """What is written in a column."""

    TEXT = "text"
    DATE = "date"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Fact:
    """One column: its label (lazy), its kind, and other names by which files call it, in small letters, the plainest
    first: where two columns of a file could be meant, it is the one of the plainer name."""

    label: Any
    kind: Kind
    also: tuple[str, ...]


def _fact(label: Any, also: str = "", *, kind: Kind = Kind.TEXT) -> Fact:
    return Fact(label, kind, tuple(_plain(name) for name in also.split(",") if name))


def _plain(name: str) -> str:
    """A header's name without what people write differently: case, accents, blanks and signs."""
    bare = "".join(
        letter for letter in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(letter)
    )
    return re.sub(r"[\W_]+", "", bare)


DATE, NUMBER = Kind.DATE, Kind.NUMBER
FACTS: Final[dict[str, Fact]] = {
    "customer_id": _fact(
        _("Customer number"),
        "customer,customer no,client,client id,member,member id,member no,loyalty id,klients,klienta numurs,"
        "klienta nr,клиент,номер клиента,код клиента",
    ),
    "first_name": _fact(_("First name"), "given name,forename,vārds,vards,имя"),
    "last_name": _fact(_("Last name"), "family name,surname,uzvārds,фамилия"),
    "email": _fact(_("Email"), "e-mail,mail,email address,e-pasts,epasts,почта,электронная почта,эл. почта"),
    "phone": _fact(_("Phone"), "telephone,mobile,phone number,tel,tālrunis,telefons,телефон,мобильный"),
    "locale": _fact(_("Language"), "language,lang,valoda,язык"),
    "joined_on": _fact(
        _("Joined on"), "joined,member since,customer since,registered,created,pievienojās,reģistrēts,дата регистрации",
        kind=DATE,
    ),
    "consent_email": _fact(_("Offers by email"), "email consent,newsletter,piekrišana e-pastam,согласие на почту"),
    "consent_sms": _fact(_("Offers by text message"), "sms consent,piekrišana sms,согласие на смс"),
    "consent_at": _fact(_("Consent given at"), "consent date,piekrišanas datums,дата согласия", kind=DATE),
    "age_band": _fact(_("Age band"), "age group,vecuma grupa,возрастная группа"),
    "household_size": _fact(_("People in the household"), "household,mājsaimniecība,размер семьи"),
    "birthday": _fact(_("Birthday"), "birth date,date of birth,dob,dzimšanas diena,dzimšanas datums,дата рождения",
                      kind=DATE),
    "card": _fact(_("Card"), "card number,card no,loyalty card,karte,kartes numurs,карта,номер карты"),
    "product_id": _fact(_("Product number"), "product,sku,article,item no,ean,prece,preces kods,артикул,код товара"),
    "department": _fact(_("Department"), "nodaļa,отдел"),
    "category": _fact(_("Category"), "group,kategorija,категория"),
    "name": _fact(_("Name of the product"), "product name,title,description,nosaukums,название,наименование"),
    "brand": _fact(_("Brand"), "zīmols,бренд,марка"),
    "package": _fact(_("Package"), "size,unit,iepakojums,упаковка"),
    "points": _fact(_("Points"), "balance,points balance,punkti,atlikums,баллы,остаток", kind=NUMBER),
    "good_through": _fact(_("Good through"), "expires,expires on,valid until,expiry,derīgs līdz,действует до",
                          kind=DATE),
    "earned_on": _fact(_("Earned on"), "earned,earned date,nopelnīts,начислено", kind=DATE),
    "reference": _fact(_("Reference"), "ref,atsauce,основание"),
    "receipt_id": _fact(
        _("Receipt number"),
        "receipt,receipt no,transaction,transaction id,ticket,bon,invoice,čeks,čeka numurs,čeka nr,kvīts,kvīts nr,"
        "kvīts numurs,чек,номер чека,квитанция",
    ),
    "store_id": _fact(_("Store"), "shop,branch,store code,store no,veikals,filiāle,магазин,филиал"),
    "purchased_at": _fact(
        _("Time of the purchase"),
        "purchase date,sold at,datetime,timestamp,datums un laiks,pirkuma datums,pirkuma laiks,дата и время,"
        "дата покупки,date,time,datums,laiks,дата,время",
        kind=DATE,
    ),
    "gross_amount": _fact(_("Amount before discount"), "gross,subtotal,before discount,bruto,сумма без скидки",
                          kind=NUMBER),
    "discount_amount": _fact(_("Discount"), "rebate,reduction,atlaide,скидка", kind=NUMBER),
    "net_amount": _fact(
        _("Amount paid"),
        "net,paid,to pay,neto,samaksāts,apmaksāts,samaksātā summa,оплачено,к оплате,total,sum,kopā,summa,итого,сумма",
        kind=NUMBER,
    ),
    "items": _fact(_("Number of goods"), "item count,lines,preču skaits,количество товаров", kind=NUMBER),
    "currency": _fact(_("Currency"), "curr,valūta,валюта"),
    "refund_of": _fact(_("Refund of the receipt"), "refunded receipt,original receipt,atmaksa par,возврат по"),
    "payment_method": _fact(_("Way of paying"), "payment,paid by,tender,maksājuma veids,способ оплаты"),
    "partner": _fact(_("Partner"), "partner code,coalition partner,partneris,partnera kods,партнёр,код партнёра"),
    "redemption_id": _fact(_("Number of the use"), "redemption,use id,izmantošanas numurs,номер списания"),
    "redeemed_at": _fact(_("Time of the use"), "date,time,redeemed,used at,izmantots,datums,дата списания,дата",
                         kind=DATE),
    "line_no": _fact(_("Line"), "line number,pos,position,row,rinda,строка", kind=NUMBER),
    "quantity": _fact(_("Quantity"), "qty,pieces,daudzums,количество,кол-во", kind=NUMBER),
    "what": _fact(_("What happened"), "type,event,kind,veids,тип"),
    "amount": _fact(_("Amount"), "sum,total,summa,сумма", kind=NUMBER),
    "at": _fact(_("Time"), "date,datetime,timestamp,datums,дата", kind=DATE),
}  # fmt: skip
# Names that say no more than that it is a number: of what the file is about.
_NUMBER_OF_ALL: Final = frozenset({"id", "no", "nr", "number", "kods", "numurs", "код", "номер"})


def kind_of(name: str) -> Kind:
    """What is written in a column; text where the column is not one of these."""
    fact = FACTS.get(name)
    return fact.kind if fact else Kind.TEXT


def label_of(name: str) -> str:
    """What a column is called for people; its own name where nothing better is known."""
    fact = FACTS.get(name)
    return str(fact.label) if fact else name


def guess(header: Sequence[str], known: Collection[str]) -> dict[str, str]:
    """For each name of a header (in small letters), which of the `known` columns it means; blank where unclear.

    A column's own name wins over its label, that over the others in their order; each column is given once, of equal
    names to the first. The columns that a file of refused rows adds are left out, for they are understood as they are.
    """
    names = [name.strip().casefold() for name in header]
    was_returned = set(RETURNED_COLUMNS).issubset(names)
    found = {name: "" for name in names if not (was_returned and name in RETURNED_COLUMNS)}
    meant = [
        (plainness, fact, name)
        for fact in known
        for name in found
        if (plainness := _plainness(name, fact, is_first=fact == next(iter(known)))) is not None
    ]
    given: set[str] = set()
    for _plainer, fact, name in sorted(meant, key=itemgetter(0)):
        if not found[name] and fact not in given:
            found[name] = fact
            given.add(fact)
    return found


def _plainness(name: str, fact: str, *, is_first: bool) -> int | None:
    """How plainly a name of a header means the column: 0 by its own name, the more the less; None where it does not.

    The first column of a kind of file is the number of what the file is about.
    """
    if name == fact:
        return 0
    called = FACTS.get(fact)
    if called is None:
        return None
    plain, ways = _plain(name), (_plain(fact), _plain(str(called.label)), *called.also)
    if plain in ways:
        return ways.index(plain) + 1
    return len(ways) + 1 if is_first and plain in _NUMBER_OF_ALL else None
