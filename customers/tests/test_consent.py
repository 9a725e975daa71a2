"""Who may get mail: the newest word holds, unknown is no, and a no is never overtaken."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from customers.actions.consent import (
    issue_unsubscribe_token,
    issue_unsubscribe_tokens,
    record_consent,
    suppress_address,
    unsubscribe,
    withdraw_consent,
)
from customers.actions.customers import create_customer, update_customer
from customers.actions.holds import place_hold, release_hold
from customers.actions.signals import record_signal, withdraw_signal
from customers.models import Channel, ConsentEvent, ContactHold, Customer, Purpose, Signal, SuppressedAddress
from customers.queries import (
    customer_of_token,
    holds_of,
    household_of,
    households,
    may_mail,
    preferences_of,
    standing_holds,
    suppressed,
)
from loyaltycrm.core.errors import Conflict, Refused
from loyaltycrm.core.models import AuditEvent, User
from loyaltycrm.lib.tokens import new_token

OFFERS = Purpose.OFFERS
EMAIL = Channel.EMAIL


def mailable(*customers: Customer, purpose: str = OFFERS, channel: str = EMAIL) -> set[str]:
    found = may_mail([customer.pk for customer in customers], purpose, channel)
    return {customer.first_name for customer in customers if customer.pk in found}


def say(customer: Customer, given: bool, *, hours_ago: float = 0, source: str = "till") -> ConsentEvent:
    return record_consent(
        customer=customer,
        purpose=OFFERS,
        channel=EMAIL,
        given=given,
        source=source,
        occurred_at=timezone.now() - timedelta(hours=hours_ago),
        by=None,
    )


@pytest.mark.django_db
def test_unknown_is_no(nameless: Customer, ilze: Customer) -> None:
    update_customer(customer=nameless, first_name="Zane", email="zane@example.com", by=None)
    assert mailable(nameless, ilze) == {"Ilze"}
    assert mailable(ilze, purpose=Purpose.SURVEYS) == set()
    assert mailable(ilze, channel=Channel.SMS) == set()
    assert [one.since for one in preferences_of(nameless)] == [None, None, None, None]


@pytest.mark.django_db
def test_the_newest_word_holds_whatever_order_it_is_written_in(janis: Customer) -> None:
    say(janis, True, hours_ago=0.1)
    assert mailable(janis) == {"Jānis"}
    say(janis, False, hours_ago=100)
    assert mailable(janis) == {"Jānis"}
    say(janis, False, hours_ago=0)
    assert mailable(janis) == set()


@pytest.mark.django_db
def test_of_two_words_of_one_instant_the_later_written_holds(janis: Customer) -> None:
    at = timezone.now() - timedelta(minutes=1)
    for given in (True, False):
        record_consent(
            customer=janis, purpose=OFFERS, channel=EMAIL, given=given, source="till", occurred_at=at, by=None
        )
    assert mailable(janis) == set()


@pytest.mark.django_db
def test_the_same_event_told_twice_is_one(janis: Customer) -> None:
    before = ConsentEvent.objects.count()
    at = timezone.now() - timedelta(days=400)
    first, second = (
        record_consent(
            customer=janis, purpose=OFFERS, channel=EMAIL, given=True, source="import", occurred_at=at, by=None
        )
        for _time in range(2)
    )
    assert first == second
    assert ConsentEvent.objects.count() == before + 1


@pytest.mark.django_db
def test_an_unsubscribe_is_not_overtaken_by_an_event_dated_after_it(olga: Customer) -> None:
    ahead = timezone.now() + timedelta(minutes=5)
    record_consent(
        customer=olga, purpose=OFFERS, channel=EMAIL, given=True, source="import", occurred_at=ahead, by=None
    )
    token = new_token()
    issue_unsubscribe_token(customer=olga, purpose=OFFERS, channel=EMAIL, token=token)
    unsubscribe(token=token)
    assert mailable(olga) == set()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": "birthday"},
        {"channel": "pigeon"},
        {"source": "rumour"},
        {"occurred_at": timezone.now() + timedelta(days=2)},
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(olga: Customer, wrong: dict[str, object]) -> None:
    before = (ConsentEvent.objects.count(), AuditEvent.objects.count())
    usual = {"purpose": OFFERS, "channel": EMAIL, "given": True, "source": "till", "by": None}
    with pytest.raises(Refused):
        record_consent(customer=olga, **(usual | wrong))  # type: ignore[arg-type]
    assert (ConsentEvent.objects.count(), AuditEvent.objects.count()) == before


@pytest.mark.django_db
def test_consent_events_are_never_changed(olga: Customer) -> None:
    event = ConsentEvent.objects.filter(customer=olga).latest("pk")
    for change in (
        lambda: ConsentEvent.objects.filter(pk=event.pk).update(given=False),
        lambda: ConsentEvent.objects.filter(pk=event.pk).delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    event.refresh_from_db()
    assert event.given is True


@pytest.mark.django_db
def test_a_suppressed_address_gets_no_mail_on_any_profile(ilze: Customer, peteris: Customer, olga: Customer) -> None:
    assert mailable(ilze, peteris, olga) == {"Ilze", "Pēteris", "Ольга"}
    first = suppress_address(email=" LIEPAS@example.com ", reason="bounce", detail="550 no such user")
    assert first is not None
    assert mailable(ilze, peteris, olga) == {"Ольга"}
    assert suppressed(["liepas@example.com", "olga@example.com"]) == {"liepas@example.com"}
    assert suppress_address(email="liepas@example.com", reason="complaint") == first
    first.refresh_from_db()
    assert (first.reason, first.detail) == ("bounce", "550 no such user")
    say(ilze, True)
    assert mailable(ilze) == set()
    assert SuppressedAddress.objects.count() == 1


@pytest.mark.django_db
def test_no_address_no_mail(olga: Customer) -> None:
    update_customer(customer=olga, email="", by=None)
    assert mailable(olga) == set()
    record_consent(customer=olga, purpose=OFFERS, channel=Channel.SMS, given=True, source="till", by=None)
    assert mailable(olga, channel=Channel.SMS) == {"Ольга"}


@pytest.mark.django_db
def test_withdrawing_writes_a_no_only_where_there_is_none(olga: Customer, nameless: Customer) -> None:
    lists = [("offers", "email"), ("offers", "sms"), ("offers", "email")]
    assert withdraw_consent(customer=olga, lists=lists, source="profile", by=None) == 2
    assert withdraw_consent(customer=olga, lists=lists, source="profile", by=None) == 0
    assert withdraw_consent(customer=nameless, lists=[("offers", "email")], source="profile", by=None) == 1


@pytest.mark.django_db
def test_a_token_names_one_person_and_one_list(olga: Customer, janis: Customer) -> None:
    token = new_token()
    issue_unsubscribe_token(customer=olga, purpose=OFFERS, channel=EMAIL, token=token)
    assert issue_unsubscribe_token(customer=olga, purpose=OFFERS, channel=EMAIL, token=token).customer == olga
    with pytest.raises(Conflict):
        issue_unsubscribe_token(customer=janis, purpose=OFFERS, channel=EMAIL, token=token)
    named = customer_of_token(token)
    assert named is not None
    assert (named.customer, named.purpose, named.channel) == (olga, "offers", "email")
    many = {new_token(): olga.pk, new_token(): janis.pk}
    issue_unsubscribe_tokens(many, purpose=Purpose.SURVEYS, channel=EMAIL)
    for issued, pk in many.items():
        found = customer_of_token(issued)
        assert found is not None
        assert (found.customer_id, found.purpose) == (pk, "surveys")
    assert unsubscribe(token="nonsense") is None


def test_twenty_clicks_at_once_are_one_event(committed_db: str, olga: Customer) -> None:
    token = new_token()
    issue_unsubscribe_token(customer=olga, purpose=OFFERS, channel=EMAIL, token=token)

    def click(_number: int) -> bool:
        try:
            return unsubscribe(token=token) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(click, range(20)))
    assert ConsentEvent.objects.filter(customer=olga, purpose=OFFERS, given=False).count() == 1
    assert mailable(olga) == set()


@pytest.mark.django_db
def test_a_hold_stands_until_it_is_released(anna: Customer, dace: User) -> None:
    hold = place_hold(customer=anna, reference="ticket:7", reason="The soup was cold", by=dace)
    assert place_hold(customer=anna, reference="ticket:7", reason="again", by=dace) == hold
    place_hold(customer=anna, reference="ticket:8", reason="Charged twice", by=dace)
    assert standing_holds([anna.pk, -1]) == {anna.pk}
    assert [one.reason for one in holds_of(anna)] == ["The soup was cold", "Charged twice"]
    assert release_hold(reference="ticket:7", by=dace) is True
    assert release_hold(reference="ticket:7", by=dace) is False
    assert standing_holds([anna.pk]) == {anna.pk}
    release_hold(reference="ticket:8", by=dace)
    assert standing_holds([anna.pk]) == set()
    assert place_hold(customer=anna, reference="ticket:7", reason="reopened", by=dace) != hold
    assert ContactHold.objects.count() == 3


@pytest.mark.django_db
def test_a_signal_is_written_once_and_can_be_withdrawn(anna: Customer) -> None:
    day = timezone.now().date()
    facts = {"customer": anna, "kind": "says", "source": "survey", "occurred_on": day, "reference": "survey:1"}
    signal = record_signal(strength=0.8, **facts)  # type: ignore[arg-type]
    assert record_signal(strength=0.8, **facts) == signal  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        record_signal(strength=-0.8, **facts)  # type: ignore[arg-type]
    for wrong in (
        {"strength": 1.01},
        {"strength": -2},
        {"strength": 0, "kind": "hums"},
        {"strength": 0, "source": "x"},
    ):
        with pytest.raises(Refused):
            record_signal(**(facts | {"reference": "survey:2"} | wrong))  # type: ignore[arg-type]
    assert Signal.objects.count() == 1
    assert withdraw_signal(reference="survey:1") is True
    assert withdraw_signal(reference="survey:1") is False
    assert withdraw_signal(reference="survey:2") is False


def person(name: str, email: str = "", phone: str = "") -> Customer:
    return create_customer(first_name=name, email=email, phone=phone, language="en", by=None)


@pytest.mark.django_db
def test_households_are_joined_by_email_and_phone_also_through_others() -> None:
    alone = person("alone")
    a = person("a", email="Shared@example.com")
    b = person("b", email="shared@example.com", phone="+371 26124821")
    c = person("c", phone="+37126124821", email="c@example.com")
    d = person("d", email="c@example.com")
    other = person("other", phone="+371 26124822")
    ids = [one.pk for one in (alone, a, b, c, d, other)]
    assert households(ids) == {
        alone.pk: alone.pk,
        a.pk: a.pk,
        b.pk: a.pk,
        c.pk: a.pk,
        d.pk: a.pk,
        other.pk: other.pk,
    }
    assert households([a.pk, d.pk]) == {a.pk: a.pk, d.pk: a.pk}
    assert households([d.pk]) == {d.pk: a.pk}
    assert households([]) == {}
    assert [one.first_name for one in household_of(d)] == ["a", "b", "c"]
    assert household_of(alone) == []


@pytest.mark.django_db
def test_questions_about_many_take_one_statement_each(django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    people = [person(f"p{number}", email=f"p{number // 2}@example.com") for number in range(60)]
    for one in people[::3]:
        say(one, True)
    ids = [one.pk for one in people]
    with django_assert_max_num_queries(2):
        assert may_mail(ids, OFFERS, EMAIL) == set(ids[::3])
    with django_assert_max_num_queries(2):
        assert len(set(households(ids).values())) == 30
    with django_assert_max_num_queries(1):
        assert standing_holds(ids) == set()
