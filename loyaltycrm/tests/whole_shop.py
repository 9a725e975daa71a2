"""One thing of every kind and state that a page can show, made through the actions: for tests that open every page."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.utils import timezone

from customers.actions.classifying import classify
from customers.actions.consent import issue_unsubscribe_token
from customers.actions.customers import create_customer
from customers.actions.households import link_household
from customers.actions.notes import edit_note, tell_the_till, write_note
from customers.actions.own_pages import make_fresh_link, make_page_link
from customers.models import Customer, DuplicatePair, DuplicateSearch, Membership, Segment
from feedback.actions.conversation import add_note, answer
from feedback.actions.resolving import resolve_ticket
from feedback.actions.surveys import answer_survey, invite_to_survey
from feedback.actions.tickets import pause_ticket, take_ticket
from feedback.models import ResolutionKind, Ticket, TicketKind
from feedback.tests.stories import complain
from loyaltycrm.core.actions.api_keys import make_api_key
from loyaltycrm.core.actions.tills import enrol_till, revoke_till, set_pin
from loyaltycrm.core.models import Scope, Store, User
from loyaltycrm.core.tests.webhook_stories import some_webhooks
from loyaltycrm.lib.tokens import new_token
from loyaltycrm.shop.actions.merging import merge_customers
from loyaltycrm.shop.tests.imports import some_imports
from rewards.actions.adjusting import decline_adjustment, reverse_adjustment
from rewards.actions.catalogue import RewardContent, add_reward, stop_reward
from rewards.actions.choices import add_choice
from rewards.actions.earning import record_visit, undo_visit
from rewards.actions.offer_drafts import keep_offer_draft
from rewards.actions.offers import create_offer
from rewards.actions.partner_points import earn_at_partner, redeem_at_partner
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.actions.redeeming import use_reward
from rewards.actions.runs import pause_run
from rewards.actions.sending import send_batch
from rewards.actions.unusual import settle_unusual_use
from rewards.benefits import BenefitKind, FreeItem
from rewards.models import (
    Delivery,
    DeliveryReason,
    DeliveryStatus,
    Partner,
    PrivilegeKind,
    ProgrammeDraft,
    ProgrammeVersion,
    Promise,
    Reward,
    Run,
    RunStatus,
)
from rewards.tests.adjustments import adjust
from rewards.tests.audiences import add_reader, content, open_shop, personal_run, planned_run, some_choice
from rewards.tests.drafts import draft_of, first_version, handed_in, signed, worth
from rewards.tests.unusual import unusual_of

_receipts = itertools.count(1)
_REASONS = {
    DeliveryStatus.FAILED: DeliveryReason.REFUSED,
    DeliveryStatus.SUPPRESSED: DeliveryReason.NO_ADDRESS,
    DeliveryStatus.TOO_LATE: DeliveryReason.ATTEMPTS,
}
_REPLIES = {
    DeliveryStatus.SENT: "DATA 250 2.0.0 Ok: queued as 4XkQ1h2yWzz9sWx",
    DeliveryStatus.FAILED: "RCPT 550 5.1.1 <reader@example.com>: Recipient address rejected: User unknown",
    DeliveryStatus.UNKNOWN: "DATA connection lost",
}


@dataclass(frozen=True)
class People:
    """The cast as a test names it."""

    anna: Customer
    janis: Customer
    olga: Customer
    nameless: Customer
    ilze: Customer
    peteris: Customer
    liga: User
    dace: User
    admin: User
    barona_iela: Store


def open_whole_shop(people: People, mails: Path) -> dict[str, Any]:
    """Fill the shop and give, by name, what stands in an address: `{anna}`, `{late_ticket}`, `{survey}`…

    `mails` is where the mail server of the test keeps what it got.
    """
    open_shop()
    rewards = _rewards()
    runs = _runs()
    things = {
        "api_key": make_api_key(
            name="Till 1", store=people.barona_iela, scopes=[Scope.READ_POINTS, Scope.WRITE_VISITS], by=None
        ).key.pk,
        **{name: getattr(people, name).pk for name in ("anna", "janis", "olga", "nameless", "ilze", "liga", "admin")},
        "unmailed": add_reader(100, loyal=False).pk,
        **some_webhooks(),
        **some_imports(people.dace),
        **_programme(people),
        **_at_the_till(people, rewards["coffee"]),
        **_tickets(people),
        **_links(people),
        **_second_step(people),
        **{name: reward.pk for name, reward in rewards.items()},
        **{name: run.pk for name, run in runs.items()},
        "offer": runs["run_of_all_kinds"].offer_id,
        "unknown_place": runs["run_of_all_kinds"].deliveries.filter(status=DeliveryStatus.UNKNOWN)[0].pk,
        **_drafts(people, runs["run_of_all_kinds"]),
        **_draft_offer(),
        "partner": _partner(people).pk,
        "till_token": _till(people),
        "unusual_use": unusual_of(people.anna, people.liga, people.barona_iela).pk,
        "settled_use": settle_unusual_use(
            use=unusual_of(people.janis, people.liga, people.barona_iela), note="Two families, one card", by=people.dace
        ).pk,
        "store": people.barona_iela.pk,
        **_notes(people),
        "segment": Segment.objects.get(key="at_risk").pk,
        **_by_hand(people),
        **_merges(people),
        "mail": max(path.stem for path in mails.glob("*.eml")),
    }
    classify()
    return things


def _merges(people: People) -> dict[str, int]:
    """Two profiles merged into one: the newer merge can be undone, the older only after it."""
    found = {}
    for name in ("older_merge", "newer_merge"):
        double = create_customer(first_name="Olga", last_name="Kuzņecova", language="ru", by=None)
        receipt = f"TILL-2026-{next(_receipts):06d}"
        record_visit(customer=double, store=people.barona_iela, net_cents=1_500, receipt_id=receipt, by=people.liga)
        merge = merge_customers(survivor=people.olga, merged=double, reason="Told us at the till", by=people.dace)
        found[name] = merge.pk
    return found


def _till(people: People) -> str:
    """The secret of an enrolled till that Līga unlocks by PIN; another one is closed."""
    closed = enrol_till(name="Till 1", store=people.barona_iela, by=people.dace)
    revoke_till(device=closed.device, by=people.dace)
    set_pin(person=people.liga, pin="7294", by=people.liga)
    return enrol_till(name="Till 2", store=people.barona_iela, by=people.dace).token


def _notes(people: People) -> dict[str, int]:
    """A note that was changed, one for the till, and a household that staff put together."""
    note = write_note(customer=people.anna, text="Likes the window table", by=people.dace)
    edit_note(note=note, text="Likes the window table\nand rye without caraway", by=people.admin)
    tell_the_till(customer=people.anna, text="Likes the window table", by=people.dace)
    DuplicatePair.objects.create(first=people.anna, second=people.ilze, score=60, reasons=["email", "near_name"])
    DuplicateSearch.objects.create(finished_at=timezone.now(), pairs=1)
    link_household(customer=people.anna, other=people.olga, reason="Told us at the till", by=people.dace)
    return {"note": note.pk}


def _partner(people: People) -> Partner:
    partner = add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=date(2024, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal("1.25"), burned_rate=Decimal("0.9"), points=1, step_cents=100),
        by=people.admin,
    )
    earn_at_partner(partner=partner, customer=people.olga, reference="1", points=250, by=None)
    redeem_at_partner(partner=partner, customer=people.olga, reference="2", points=100, by=None)
    return partner


def _rewards() -> dict[str, Reward]:
    def add(en: str, lv: str, ru: str, points: int, **more: Any) -> Reward:
        names = {"en": en, "lv": lv, "ru": ru}
        given = {"benefit": FreeItem(worth_cents=2_00), **more}
        return add_reward(content=RewardContent(names=names, points_cost=points, **given), by=None)

    stopped = add("Birthday cake", "Dzimšanas dienas torte", "Торт ко дню рождения", 900)
    stop_reward(reward=stopped, by=None)
    return {
        "coffee": add("Free coffee", "Bezmaksas kafija", "Кофе бесплатно", 100),
        "breakfast": add("Breakfast for two", "Brokastis diviem", "Завтрак на двоих", 50_000),
        "stopped_reward": stopped,
    }


def _drafts(people: People, run: Run) -> dict[str, int]:
    """What was typed for a new offer, and for one there is, and could not be saved yet."""
    typed = {"name": ["Half done"], "value_cents": ["three"], "control_percent": ["80"], "schedule": ["once"]}
    new = keep_offer_draft(kind=BenefitKind.MONEY_OFF, typed=typed, by=people.dace)
    changed = keep_offer_draft(kind=BenefitKind.PERCENT_OFF, typed={"name": [""]}, offer=run.offer, by=people.dace)
    return {"new_offer_draft": new.pk, "changed_offer_draft": changed.pk}


def _runs() -> dict[str, Run]:
    """A run whose mails were really sent, one that stands still, and one with a delivery of every status."""
    mailed = planned_run()
    send_batch(run_id=mailed.pk)
    paused = planned_run(name="Paused")
    pause_run(run=paused, by=None)
    for number, _status in enumerate(DeliveryStatus.values):
        add_reader(number, last_name="Ļoti-Garauzvārdiņa-Aleksandroviča" if number % 2 else "")
    mixed = planned_run(name="An offer with a rather long name, so that its heading wraps on a phone")
    waiting = mixed.deliveries.filter(status=DeliveryStatus.PENDING).order_by("pk")
    for delivery, status in zip(waiting, DeliveryStatus.values, strict=True):
        _put(delivery, status)
    mixed.refresh_from_db()
    assert mixed.status == RunStatus.SENDING
    add_reader(99)
    personal = personal_run(some_choice(), name="A choice for each")
    return {"mailed_run": mailed, "paused_run": paused, "run_of_all_kinds": mixed, "personal_run": personal}


def _draft_offer() -> dict[str, int]:
    """An offer that is not ready, with a choice."""
    draft = create_offer(content=content(name="Not ready", texts={}, benefit_names={}), by=None)
    return {"draft_offer": draft.pk, "choice": add_choice(offer=draft, content=some_choice(), by=None).pk}


def _put(delivery: Delivery, status: str) -> None:
    """The delivery as it stands in the database when it has come to this status."""
    now = timezone.now()
    claimed = status in (DeliveryStatus.CLAIMED, DeliveryStatus.HANDING_OVER)
    Delivery.objects.filter(pk=delivery.pk).update(
        status=status,
        reason=_REASONS.get(DeliveryStatus(status), ""),
        reply=_REPLIES.get(DeliveryStatus(status), ""),
        sent_at=now if status == DeliveryStatus.SENT else None,
        claim_token=uuid.uuid4() if claimed else None,
        lease_until=now + timedelta(hours=1) if claimed else None,
    )


def _programme(people: People) -> dict[str, int]:
    """A version to come that two people made, a draft that waits, and one that is being worked on."""
    soon = people.barona_iela.business_date() + timedelta(days=30)
    version = signed(worth(600), starts_on=soon, asked_by=people.dace, by=people.admin)
    return {
        "version": first_version().pk,
        "next_version": version.pk,
        "signed_draft": ProgrammeDraft.objects.get(version=version).pk,
        "waiting_draft": handed_in(worth(700), starts_on=soon, by=people.dace).pk,
        "draft": draft_of(worth(800), starts_on=soon, by=people.dace).pk,
    }


def _at_the_till(people: People, coffee: Reward) -> dict[str, int]:
    def pay(customer: Customer | None, cents: int) -> int:
        receipt = f"TILL-2026-{next(_receipts):06d}"
        outcome = record_visit(
            customer=customer, store=people.barona_iela, net_cents=cents, receipt_id=receipt, by=people.liga
        )
        return outcome.visit.pk

    visit, undone, no_card = pay(people.anna, 2_490), pay(people.anna, 860), pay(None, 500)
    undo_visit(visit=people.anna.visits.get(pk=undone), by=people.liga)
    use_reward(customer=people.anna, reward=coffee, store=people.barona_iela, reference="whole-shop", by=people.liga)
    today = people.barona_iela.business_date()
    club = Membership.objects.create(
        customer=people.anna,
        names={"en": "Rye club", "lv": "Rudzu klubs", "ru": "Ржаной клуб"},
        starts_on=today,
        ends_on=today + timedelta(days=364),
        price_cents=20_00,
        store=people.barona_iela,
        sold_at=timezone.now(),
    )
    for kept_on, due in ((None, today), (None, today - timedelta(days=1)), (today, today)):
        Promise.objects.create(
            reference=f"whole-shop:{kept_on}:{due}",
            customer=people.anna,
            tier="gold",
            kind=PrivilegeKind.GIFT,
            names={"en": "A birthday cake", "lv": "Dzimšanas dienas torte", "ru": "Торт ко дню рождения"},
            promised_on=today - timedelta(days=30),
            due_on=due,
            kept_on=kept_on,
            kept_at=timezone.now() if kept_on else None,
            kept_by=people.liga if kept_on else None,
            programme_version=ProgrammeVersion.objects.get(number=1),
        )
    return {"visit": visit, "undone_visit": undone, "no_card_visit": no_card, "membership": club.pk}


def _by_hand(people: People) -> dict[str, int]:
    """One adjustment that waits, one that can no longer be approved, and one of each end."""
    waiting, declined = adjust(people.anna, 1_500, people.dace), adjust(people.olga, 1_200, people.dace)
    decline_adjustment(adjustment=declined, note="No proof of it", by=people.admin)
    posted, reversed_ = adjust(people.anna, 100, people.admin), adjust(people.anna, 50, people.admin)
    reverse_adjustment(adjustment=reversed_, note="It was another customer", by=people.admin)
    return {
        "waiting_adjustment": waiting.pk,
        "declined_adjustment": declined.pk,
        "posted_adjustment": posted.pk,
        "reversed_adjustment": reversed_.pk,
        "reason": waiting.reason_id,
    }


def _tickets(people: People) -> dict[str, int]:
    def about(customer: Customer | None, **more: Any) -> Ticket:
        return complain(customer, people.barona_iela, by=people.liga, **more)

    now = timezone.now()
    late = about(people.janis, at=now - timedelta(days=40))
    open_one = about(
        people.anna, subject="Parasti viss ir lieliski, bet šoreiz zupa bija auksta un neviens to nepamanīja"
    )
    take_ticket(ticket=open_one, by=people.dace)
    add_note(ticket=open_one, words="The soup warmer was off from 12:00 to 13:30.", by=people.liga)
    answer(ticket=open_one, words="Labdien, Anna.", by=people.dace, language="lv")
    paused = about(people.olga)
    pause_ticket(ticket=paused, reason="We wait for the dairy to answer", by=people.dace)
    solved = about(people.olga, kind=TicketKind.QUESTION)
    resolve_ticket(ticket=solved, kind=ResolutionKind.GOODWILL, words="Простите нас.", points=54, by=people.dace)
    return {
        "late_ticket": late.pk,
        "open_ticket": open_one.pk,
        "paused_ticket": paused.pk,
        "solved_ticket": solved.pk,
        "nobodys_ticket": about(None).pk,
    }


def _links(people: People) -> dict[str, str]:
    def survey(customer: Customer) -> str:
        return invite_to_survey(customer=customer, by=people.dace).link.rstrip("/").rsplit("/", 1)[-1]

    asked, answered, unsubscribe = survey(people.anna), survey(people.olga), new_token()
    answer_survey(token=answered, rating=9, words="Спасибо", language="ru")
    issue_unsubscribe_token(customer=people.anna, purpose="offers", channel="email", token=unsubscribe)
    own = make_page_link(customer=people.olga, by=people.dace)
    return {
        "survey": asked,
        "answered_survey": answered,
        "unsubscribe": unsubscribe,
        "own": own,
        "fresh": make_fresh_link(customer=people.olga),
        "invitation": people.olga.invitation.code,
    }


def _second_step(people: People) -> dict[str, str]:
    """The admin has a second step at login; the manager has none yet and has asked for a new password."""
    TOTP.activate(people.admin, generate_totp_secret())
    RecoveryCodes.activate(people.admin)
    return {
        "reset_user": user_pk_to_url_str(people.dace),
        "reset_key": default_token_generator.make_token(people.dace),
    }
