"""A small world with one thing of each kind that an address can name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from customers.actions.consent import issue_unsubscribe_token
from customers.actions.customers import create_customer
from customers.actions.households import link_household
from customers.actions.notes import write_note
from customers.actions.own_pages import make_fresh_link, make_page_link
from customers.actions.visits import insert_refund, insert_visit
from customers.models import Customer, DuplicatePair, Membership, Segment, Visit
from feedback.actions.surveys import invite_to_survey
from feedback.actions.tickets import open_ticket
from feedback.models import Ticket
from loyaltycrm.core.actions.api_keys import make_api_key
from loyaltycrm.core.actions.staff import add_person
from loyaltycrm.core.actions.tills import enrol_till
from loyaltycrm.core.models import Role, Scope, Store, User
from loyaltycrm.core.tests.webhook_stories import some_webhooks
from loyaltycrm.lib.tokens import new_token
from loyaltycrm.shop.actions.merging import merge_customers
from loyaltycrm.shop.tests.imports import ready_import
from rewards.actions.catalogue import RewardContent, add_reward
from rewards.actions.choices import add_choice
from rewards.actions.offer_drafts import keep_offer_draft
from rewards.actions.partners import PartnerContent, Terms, add_partner
from rewards.actions.programme import draft_programme
from rewards.actions.redeeming import use_reward
from rewards.benefits import BenefitKind, FreeItem
from rewards.models import PrivilegeKind, ProgrammeVersion, Promise
from rewards.tests.adjustments import asked_for
from rewards.tests.audiences import open_shop, planned_run, some_choice
from rewards.tests.unusual import unusual_of

_CUSTOMER = "A customer and the balance are known to all stores."
_COMPANY = "There is one programme, one catalogue and one set of offers."
_BOOKS = "The books are those of the company."
_ADMIN = "Only an admin has them, who sees all stores."
CHAIN_WIDE = {
    "customers/<": _CUSTOMER,
    "customers/duplicates/<": _CUSTOMER,
    "till/customers/<": _CUSTOMER,
    "notes/<": _CUSTOMER,
    "households/<": _CUSTOMER,
    "merges/<": _CUSTOMER,
    "memberships/<": _CUSTOMER,
    "promises/<": _CUSTOMER,
    "approvals/<": _CUSTOMER,
    "segments/<": "Those that name a store are told apart in test_segments.",
    "rewards/<": _COMPANY,
    "programme/": _COMPANY,
    "offers/": _COMPANY,
    "settings/reasons/<": _COMPANY,
    "settings/values/<": _COMPANY,
    "reports/partners/<": _BOOKS,
    "settings/keys/<": _ADMIN,
    "settings/webhooks/": _ADMIN,
    "staff/<": _ADMIN,
}


@dataclass
class World:
    """One thing of each kind that an address can name: of Dace's store, and of a store that is not hers."""

    customer: Customer
    own: dict[str, str]
    other: dict[str, str]
    # Things that no store owns, with the reason: there all who have the permission are answered alike.
    chain_wide: dict[str, str] = field(default_factory=lambda: dict(CHAIN_WIDE))

    def path(self, route: str, *, elsewhere: bool = False) -> str:
        """The address with an object in the place of each parameter. A new kind of address has to be added here."""
        things = self.own | (self.other if elsewhere else {})
        found = [prefix for prefix in things if route.startswith(prefix)]
        if "<" in route and not found:
            pytest.fail(f"Say in loyaltycrm/tests/world.py which object stands in /{route}.")
        prefix = max(found, key=len, default="")
        given = iter(things[prefix].split("/")) if prefix else iter(())
        return "/" + re.sub(r"<[^>]+>", lambda _match: next(given), route)

    def has_other(self, route: str) -> bool:
        return any(route.startswith(prefix) and "<" in route for prefix in self.other)


def make_world(anna: Customer, barona_iela: Store, centrs: Store, liga: User, dace: User) -> World:
    """Fill the database; an offer has been sent, a complaint is open at each of two stores."""
    open_shop()
    content = RewardContent(
        names={"en": "Coffee", "lv": "Kafija", "ru": "Кофе"},
        points_cost=100,
        benefit=FreeItem(worth_cents=200),
    )
    reward = add_reward(content=content, by=None)
    draft = draft_programme(based_on=ProgrammeVersion.objects.get(number=1), by=None)
    partner = add_partner(
        code="BOOKS",
        content=PartnerContent(name="Books", contact="", active_from=date(2024, 1, 1), active_until=None),
        terms=Terms(issued_rate=Decimal(1), burned_rate=Decimal(1), points=1, step_cents=100),
        by=None,
    )
    run = planned_run()
    draft_of_offer = keep_offer_draft(kind=BenefitKind.MONEY_OFF, typed={"name": ["Not finished"]}, by=dace)
    choice = add_choice(offer=run.offer, content=some_choice(), by=None)
    unsubscribe, survey = new_token(), invite_to_survey(customer=anna, by=None).link.rstrip("/").rsplit("/", 1)[-1]
    issue_unsubscribe_token(customer=anna, purpose="offers", channel="email", token=unsubscribe)

    def of(store: Store) -> tuple[Ticket, Visit, int, int, int]:
        ticket = open_ticket(
            customer=anna, store=store, kind="complaint", subject="Soup", words="Cold", source="till", by=None
        )
        visit, _is_new = insert_visit(customer=None, store=store, net_cents=500, by=None)
        given, _is_new = insert_refund(visit=visit, store=store, net_cents=100, receipt_id="back", by=None)
        use = use_reward(customer=anna, reward=reward, store=store, reference=f"test:{store.pk}", by=None)
        day = store.business_date() + timedelta(days=store.pk)
        membership = Membership.objects.create(
            customer=anna,
            names={"en": "Club"},
            starts_on=day,
            ends_on=day,
            price_cents=0,
            store=store,
            sold_at=timezone.now(),
        )
        return ticket, visit, use.redemption.pk, membership.pk, given.pk

    adjustment = asked_for(anna, 2_000)
    ticket, visit, use, membership, refund = of(barona_iela)
    other_ticket, other_visit, other_use, other_membership, other_refund = of(centrs)
    promise = Promise.objects.create(
        reference="world",
        customer=anna,
        tier="gold",
        kind=PrivilegeKind.GIFT,
        names={"en": "Cake"},
        promised_on=date(2026, 1, 1),
        due_on=date(2026, 2, 1),
        programme_version=ProgrammeVersion.objects.get(number=1),
    )
    twin, other_twin = (create_customer(first_name="Twin", language="en", by=None) for _one in range(2))
    merge = merge_customers(survivor=twin, merged=other_twin, reason="The same person", by=liga)
    note = write_note(customer=anna, text="Piano on Fridays", by=liga)
    pair = DuplicatePair.objects.create(first=anna, second=twin, score=60, reasons=["name"])
    household = link_household(customer=anna, other=twin, reason="Told us", by=liga)
    key = make_api_key(name="Till 1", store=barona_iela, scopes=[Scope.READ_POINTS], by=None).key
    webhooks = some_webhooks()
    elsewhere = add_person(
        email="ilmars@example.com",
        name="Ilmārs Sproģis",
        role=Role.MANAGER,
        stores=[centrs],
        password="rye-bread-with-caraway",
        by=None,
    )
    return World(
        customer=anna,
        own={
            "customers/<": f"{anna.pk}",
            "customers/<int:pk>/merge/<": f"{anna.pk}/{twin.pk}",
            "customers/<int:pk>/household/<": f"{anna.pk}/{twin.pk}",
            "notes/<": f"{note.pk}",
            "households/<": f"{household.members.get(customer=anna).pk}",
            "merges/<": f"{merge.pk}",
            "customers/duplicates/<": f"{pair.pk}",
            "segments/<": f"{Segment.objects.get(key='loyal').pk}",
            "till/customers/<": f"{anna.pk}/{reward.pk}",
            "till/customers/<int:pk>/promises/<": f"{anna.pk}/{promise.pk}",
            "till/visits/<": f"{visit.pk}",
            "visits/<": f"{visit.pk}",
            "approvals/<": f"{adjustment.pk}",
            "settings/reasons/<": f"{adjustment.reason_id}",
            "till/uses/<": f"{use}",
            "till/refunds/<": f"{refund}",
            "till/memberships/<": f"{membership}",
            "memberships/<": f"{membership}",
            "promises/<": f"{promise.pk}",
            "unusual/<": f"{unusual_of(anna, liga, barona_iela).pk}",
            "tickets/<": f"{ticket.pk}",
            "rewards/<": f"{reward.pk}",
            "programme/versions/<": f"{draft.based_on_id}",
            "programme/drafts/<": f"{draft.pk}",
            "programme/drafts/<int:pk>/rules/<": f"{draft.pk}/weekend",
            "programme/drafts/<int:pk>/tiers/<": f"{draft.pk}/silver",
            "offers/<": f"{run.offer_id}",
            "offers/drafts/<": f"{draft_of_offer.pk}",
            "offers/<int:pk>/choices/<": f"{run.offer_id}/{choice.pk}",
            "offers/runs/<": f"{run.pk}",
            "offers/runs/<int:pk>/deliveries/<": f"{run.pk}/{run.deliveries.order_by('pk')[0].pk}",
            "offers/<int:pk>/preview/<": f"{run.offer_id}/en",
            "reports/partners/<": f"{partner.pk}",
            "settings/stores/<": f"{barona_iela.pk}",
            "settings/keys/<": f"{key.pk}",
            "settings/tills/<": f"{enrol_till(name='Till 2', store=barona_iela, by=liga).device.pk}",
            "settings/webhooks/<": f"{webhooks['webhook']}",
            "settings/webhooks/log/<": f"{webhooks['dead_event']}",
            "settings/webhooks/resends/<": f"{webhooks['webhook_resend']}",
            "settings/values/<": "customers.repeat_threshold",
            "staff/<": f"{liga.pk}",
            "imports/<": f"{ready_import(dace).pk}",
            "u/<": unsubscribe,
            "mail/events/<": "mailgun",
            "me/<": make_page_link(customer=anna, by=liga),
            "me/<str:token>/all/": make_fresh_link(customer=anna),
            "i/<": anna.invitation.code,
            "s/<": survey,
        },
        other={
            "tickets/<": f"{other_ticket.pk}",
            "till/visits/<": f"{other_visit.pk}",
            "visits/<": f"{other_visit.pk}",
            "till/uses/<": f"{other_use}",
            "till/refunds/<": f"{other_refund}",
            "till/memberships/<": f"{other_membership}",
            "settings/stores/<": f"{centrs.pk}",
            "unusual/<": f"{unusual_of(twin, liga, centrs).pk}",
            "settings/tills/<": f"{enrol_till(name='Till 2', store=centrs, by=liga).device.pk}",
            "imports/<": f"{ready_import(elsewhere).pk}",
        },
    )
