"""The keys of connected tills as an admin makes, finds, changes, renews and closes them."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from loyaltycrm.core.actions.api_keys import make_api_key, revoke_api_key
from loyaltycrm.core.models import ApiKey, AuditEvent, Scope, Store, User
from loyaltycrm.lib.tokens import hash_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def office(admin: User, signed_in: Callable[[User], Client]) -> Client:
    return signed_in(admin)


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def fields(at: Store, **more: Any) -> dict[str, Any]:
    usual = {"name": "Till 1", "store": at.pk, "kind": "till", "language": "lv", "expires_on": "", "person": ""}
    return usual | {"scopes": ["points:read"], "idempotency_key": str(uuid.uuid4())} | more


def make(store: Store, name: str, **more: Any) -> ApiKey:
    wanted: dict[str, Any] = {"scopes": ["points:read"], "by": None} | more
    return make_api_key(name=name, store=store, **wanted).key


def test_a_key_is_made_and_its_secret_shown_once(office: Client, admin: User, barona_iela: Store, liga: User) -> None:
    sent = fields(barona_iela, kind="web", person=liga.pk, scopes=["points:read", "visits:write"])
    shown = office.post("/settings/keys/new/", sent)
    assert shown["Cache-Control"] == "no-store"
    (secret,) = re.findall(r"<code>(lcrm_[^<]+)</code>", text_of(shown))
    key = ApiKey.objects.get()
    assert key.secret_hash == hash_token(secret)
    assert (key.store, key.kind, key.person, key.language, key.created_by) == (barona_iela, "web", liga, "lv", admin)
    assert key.scopes == ["points:read", "visits:write"]
    again = office.post("/settings/keys/new/", sent)
    assert "shown already" in text_of(again)
    assert "lcrm_" not in text_of(again)
    assert ApiKey.objects.get() == key
    assert secret not in text_of(office.get(f"/settings/keys/{key.pk}/"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": " "}, "Fill in this field: Till"),
        ({"scopes": []}, "Choose one of the options: May"),
        ({"scopes": ["everything"]}, "Choose one of the options shown"),
        ({"store": "0"}, "Choose one of the options shown"),
        ({"kind": "fax"}, "Choose one of the options shown"),
        ({"person": "x"}, "Choose one of the options shown"),
        ({"expires_on": "2020-01-31"}, "Choose a day that is yet to come"),
        ({"expires_on": "9999-12-31"}, "Choose an earlier day"),
        ({"expires_on": "tomorrow"}, "Enter a date, for example"),
    ],
)
def test_a_form_that_cannot_be_says_what_to_mend(
    office: Client, barona_iela: Store, wrong: dict[str, Any], words: str
) -> None:
    kept = make(barona_iela, "Till 7")
    for path in ("/settings/keys/new/", f"/settings/keys/{kept.pk}/edit/"):
        answer = office.post(path, fields(barona_iela, **wrong))
        assert answer.status_code == 200
        assert words in text_of(answer)
        assert "<title>Error:" in text_of(answer)
    kept.refresh_from_db()
    assert (ApiKey.objects.get(), kept.name, kept.changed_at) == (kept, "Till 7", None)


def test_a_key_is_changed_and_keeps_its_secret(office: Client, admin: User, barona_iela: Store, centrs: Store) -> None:
    key = make(barona_iela, "Till 7", expires_at=datetime(2040, 1, 1, tzinfo=barona_iela.zone))
    opened = text_of(office.get(f"/settings/keys/{key.pk}/edit/"))
    assert 'value="2039-12-31"' in opened
    assert 'value="Till 7"' in opened
    sent = fields(centrs, name="Till 8", scopes=["visits:write"], expires_on="2041-05-31")
    answer = office.post(f"/settings/keys/{key.pk}/edit/", sent)
    assert answer["Location"] == f"/settings/keys/{key.pk}/"
    changed = ApiKey.objects.get()
    assert (changed.name, changed.store, changed.scopes, changed.language) == ("Till 8", centrs, ["visits:write"], "lv")
    assert changed.expires_at == datetime(2041, 6, 1, tzinfo=centrs.zone)
    assert (changed.secret_hash, changed.changed_by) == (key.secret_hash, admin)
    assert "Till 8" in text_of(office.get(f"/settings/keys/{key.pk}/"))


def test_a_key_of_a_store_that_closed_can_be_given_to_another(
    office: Client, barona_iela: Store, centrs: Store, liga: User
) -> None:
    key = make(barona_iela, "Till 7", person=liga)
    Store.objects.filter(pk=barona_iela.pk).update(is_active=False)
    User.objects.filter(pk=liga.pk).update(is_active=False)
    same = fields(barona_iela, name="Till 8", person=liga.pk)
    assert office.post(f"/settings/keys/{key.pk}/edit/", same).status_code == 302
    assert office.post(f"/settings/keys/{key.pk}/edit/", fields(centrs)).status_code == 302
    assert office.post(f"/settings/keys/{key.pk}/edit/", fields(barona_iela)).status_code == 200
    key.refresh_from_db()
    assert (key.store, key.person) == (centrs, None)


def test_a_closed_key_is_neither_renewed_nor_changed(office: Client, barona_iela: Store) -> None:
    key = make(barona_iela, "Till 7")
    assert office.post(f"/settings/keys/{key.pk}/revoke/").status_code == 302
    closed = ApiKey.objects.values().get()
    renew = {"hours": "24", "idempotency_key": str(uuid.uuid4())}
    for path, sent in ((f"/settings/keys/{key.pk}/edit/", fields(barona_iela)), (f"/settings/keys/{key.pk}/", renew)):
        assert "This key is closed. Make a new one." in text_of(office.post(path, sent))
    assert ApiKey.objects.values().get() == closed


def test_renewing_shows_a_new_secret_once(office: Client, barona_iela: Store) -> None:
    key = make(barona_iela, "Till 7")
    assert "Choose one of the options shown" in text_of(office.post(f"/settings/keys/{key.pk}/", {"hours": "720"}))
    shown = text_of(office.post(f"/settings/keys/{key.pk}/", {"hours": "1", "idempotency_key": str(uuid.uuid4())}))
    (secret,) = re.findall(r"<code>(lcrm_[^<]+)</code>", shown)
    renewed = ApiKey.objects.get()
    assert (renewed.secret_hash, renewed.previous_hash) == (hash_token(secret), key.secret_hash)
    for language, told in (("lv", "Noslēpums atjaunots"), ("ru", "Секрет обновлён")):
        office.post("/preferences/language/", {"language": language})
        assert told in text_of(office.get(f"/settings/keys/{key.pk}/"))


def names(answer: Any) -> list[str]:
    return re.findall(r">(Till [A-Z])</a>", text_of(answer))


def test_the_list_is_found_in_sorted_and_taken_away(
    office: Client, admin: User, barona_iela: Store, centrs: Store
) -> None:
    with time_machine.travel("2026-07-14T11:32:00+00:00"):
        ended = make(centrs, "Till D", expires_at=datetime(2026, 7, 15, tzinfo=UTC))
    make(barona_iela, "Till B", scopes=["visits:void"], kind="web")
    first = make(barona_iela, "Till A", expires_at=datetime(2090, 1, 1, tzinfo=UTC))
    revoke_api_key(key=make(centrs, "Till C"), by=None)
    ApiKey.objects.filter(pk=first.pk).update(last_used_at=datetime(2026, 7, 14, 11, 32, tzinfo=UTC))
    for query, expected in {
        "": ["Till A", "Till B", "Till D", "Till C"],
        "q=till+b": ["Till B"],
        f"q={first.prefix}": ["Till A"],
        "kind=web": ["Till B"],
        f"store={centrs.pk}": ["Till D", "Till C"],
        "scope=visits:void": ["Till B"],
        "state=open": ["Till A", "Till B"],
        "state=ended": ["Till D"],
        "state=closed": ["Till C"],
        "sort=-name": ["Till D", "Till C", "Till B", "Till A"],
        "sort=state": ["Till C", "Till D", "Till A", "Till B"],
        "store=0&scope=nothing&state=%00": [],
    }.items():
        assert names(office.get(f"/settings/keys/?{query}")) == expected, query
    answer: Any = office.get(f"/settings/keys/export/?kind=till&store={barona_iela.pk}")
    file = b"".join(answer.streaming_content)
    (row,) = csv.DictReader(io.StringIO(file.decode()))
    assert (row["name"], row["store"], row["may"], row["state"]) == ("Till A", "BARONA", "points:read", "open")
    assert (row["last_used_at"], row["ends_at"]) == ("2026-07-14T11:32:00Z", "2090-01-01T00:00:00Z")
    assert AuditEvent.objects.get(action="export").data == {"what": "keys of tills", "filters": ["kind", "store"]}
    assert ended.secret_hash not in file.decode()


def test_the_list_takes_the_same_queries_for_many(office: Client, barona_iela: Store) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            office.get("/settings/keys/")
        return len(counted)

    make(barona_iela, "Till A", scopes=Scope.values)
    queries()
    for_one = queries()
    for letter in "BCDEFGH":
        make(barona_iela, f"Till {letter}", scopes=Scope.values, expires_at=datetime.now(UTC) + timedelta(days=9))
    assert queries() == for_one


def test_only_admins_see_keys(dace: User, signed_in: Callable[[User], Client], barona_iela: Store) -> None:
    key = make(barona_iela, "Till 7")
    desk = signed_in(dace)
    for path in ("", "export/", "new/", f"{key.pk}/", f"{key.pk}/edit/"):
        assert desk.get(f"/settings/keys/{path}").status_code == 403


def test_a_whole_key_that_was_found_is_looked_for_without_standing_in_an_address(
    office: Client, barona_iela: Store
) -> None:
    found = make_api_key(name="Till A", store=barona_iela, scopes=["visits:write"], by=None)
    make(barona_iela, "Till B")
    page = office.get("/settings/keys/").content.decode()
    assert '<form class="filters" method="post"' in page
    for pasted in (found.secret, f"  {found.secret} "):
        for answer in (
            office.post("/settings/keys/", {"q": pasted, "state": "open", "sort": "name"}),
            office.get("/settings/keys/", {"q": pasted, "state": "open", "sort": "name"}),
        ):
            assert answer["Location"] == f"/settings/keys/?q={found.key.prefix}&state=open&sort=name"
            assert [key.name for key in office.get(answer["Location"]).context["table"].data] == ["Till A"]
    assert office.get("/settings/keys/export/", {"q": found.secret})["Location"] == (
        f"/settings/keys/export/?q={found.key.prefix}"
    )
