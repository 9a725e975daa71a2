"""From a loyal customer to a mail, to its code at the till, to the figures of the run."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from customers.actions.classifying import classify
from customers.models import Customer
from loyaltycrm.core.errors import Refused
from loyaltycrm.core.models import Store, User
from loyaltycrm.local.mailserver import MailServer
from rewards.actions.earning import record_visit, undo_visit
from rewards.actions.offers import activate_offer
from rewards.actions.planning import plan_run
from rewards.actions.redeeming import usable_vouchers, use_code
from rewards.actions.runs import cancel_run, start_run
from rewards.actions.sending import send_batch
from rewards.actions.shipped import ship_thank_you_offer
from rewards.actions.sweeping import sweep
from rewards.models import Run, Voucher
from rewards.results import figures_of
from rewards.tests.audiences import add_reader, open_shop, planned_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop() -> None:
    open_shop()


def test_a_thank_you_reaches_anna_and_its_code_works_once_at_the_till(
    mailbox: MailServer, anna: Customer, barona_iela: Store, liga: User, dace: User
) -> None:
    classify()
    offer = activate_offer(offer=ship_thank_you_offer(by=dace), by=dace)
    run = start_run(offer=offer, by=dace)
    plan_run(run_id=run.pk)
    assert usable_vouchers(anna) == [], "A code counts once its mail has left."
    with pytest.raises(Refused, match="has not left yet"):
        use_code(code=Voucher.objects.get().code, customer=anna, store=barona_iela, reference="early", by=liga)
    send_batch(run_id=run.pk)
    (mail,) = mailbox.received
    text = mail.message.get_body(("plain",))
    assert text is not None
    code = re.search(r"\b[2-9A-HJ-NP-Z]{8}\b", text.get_content())
    assert code is not None
    assert mail.message["Subject"] == "Anna, 3\u00a0€ atlaide kā paldies"
    (voucher,) = usable_vouchers(anna)
    assert voucher.code == code[0]

    saved = record_visit(customer=anna, store=barona_iela, net_cents=17_60, by=liga).visit
    used = use_code(
        code=code[0].lower(),
        customer=anna,
        store=barona_iela,
        reference="till-1",
        visit=saved,
        net_cents=17_60,
        by=liga,
    )
    assert used.redemption.value_cents == 3_00
    assert figures_of([run.pk])[run.pk].redeemed == 1
    with pytest.raises(Refused):
        use_code(code=code[0], customer=anna, store=barona_iela, reference="till-2", net_cents=17_60, by=liga)
    undo_visit(visit=saved, by=liga)
    assert figures_of([run.pk])[run.pk].redeemed == 0
    sweep()
    assert Run.objects.get().status == "done"


def test_the_code_of_a_mail_that_was_never_sent_is_good_for_nothing(barona_iela: Store, liga: User) -> None:
    customer = add_reader(1)
    run = planned_run()
    cancel_run(run=run, by=None)
    code = Voucher.objects.get().code
    with pytest.raises(Refused):
        use_code(code=code, customer=customer, store=barona_iela, reference="till-1", net_cents=17_60, by=liga)
    assert figures_of([run.pk])[run.pk].redeemed == 0
    assert Voucher.objects.get().good_through >= timezone.localdate() - timedelta(days=1)
