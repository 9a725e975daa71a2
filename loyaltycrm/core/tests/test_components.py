"""The parts of pages, as the server writes them."""

from typing import Any

import django_tables2 as tables
import pytest
from django.core.paginator import Paginator
from django.template import engines
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import translation

from loyaltycrm.core.models import Company, Role, User
from loyaltycrm.core.navigation import PLACES, navigation_items
from loyaltycrm.core.permissions import GRANTS

N = "\u00a0"


def write(text: str, path: str = "/", **context: Any) -> str:
    template = engines["django"].from_string("{% load components formats %}" + text)
    request = RequestFactory().get(path)
    return template.render({"company": Company(currency="EUR"), "request": request, **context})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{% money 102490 %}", "€1,024.90"),
        ("{% money 300 trim=True %} off", "€3 off"),
        ("{% money -500 signed=True %}", "−€5.00"),
        ("{% money nothing %}", "–"),
        ("{{ 2490|money:company.currency }}", "€24.90"),
        ("{{ 54|signed_points }}", f"+54{N}points"),
        ("{{ 1|points }}", f"1{N}point"),
        ("{{ 0.25|percent }}", "25%"),
        ("{{ nothing|percent }}", "–"),
        ("{{ 412300|number }}", "412,300"),
        ("{{ 3.14159|decimal:2 }}", "3.14"),
        ("{{ absent|decimal }}{{ absent.more|points }}{{ absent|percent }}{{ absent|short_date }}", "––––"),
        ("{{ 'Anna Bērziņa'|initials }}", "AB"),
        ("{{ 'Ābele'|initials }}", "Ā"),
        ("{{ ''|initials }}{{ nothing|initials }}{{ '(…) -'|initials }}", "???"),
        ("{{ 1.7|meter_width }} {{ -1|meter_width }} {{ 0.725|meter_width }}", "100.0 0.0 72.5"),
    ],
)
def test_values_as_people_read_them(text: str, shown: str) -> None:
    assert write(text, nothing=None) == shown


def test_values_follow_the_language_and_coordinates_do_not() -> None:
    with translation.override("lv"):
        assert write("{% money 102490 %} {{ 540|points }}") == f"1{N}024,90{N}€ 540{N}punktu"
        assert 'width="72.5"' in write('{% include "components/meter.html" with share=0.725 %}')


def test_an_icon_is_decoration_unless_it_has_a_label() -> None:
    assert 'aria-hidden="true"' in write('{% icon "gift" %}')
    spoken = write('{% icon "gift" label=name %}', name="<Reward>")
    assert 'role="img" aria-label="&lt;Reward&gt;"' in spoken
    assert "aria-hidden" not in spoken


def test_a_persons_name_cannot_write_markup() -> None:
    assert "<b>" not in write('{% include "components/timeline_entry.html" with title=name %}', name="<b>x</b>")
    assert "&lt;b&gt;" in write('{% include "components/chip.html" with text=name %}', name="<b>x</b>")


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("regular_loyal", "Regular and loyal"),
        ("regular", "Regular, not loyal"),
        ("loyal", "Loyal, not regular"),
        ("neither", "Neither yet"),
        ("unknown", "Not known yet"),
        ("", "Not known yet"),
    ],
)
def test_a_group_is_words_and_one_cell_of_four(group: str, words: str) -> None:
    html = write('{% include "components/badge_group.html" %}', group=group)
    assert words in html
    assert html.count('class="on"') == (0 if group in ("unknown", "") else 1)


def test_the_lit_cell_is_in_the_groups_own_corner() -> None:
    corners = {
        "loyal": 'x="1" y="1"',
        "regular_loyal": 'x="10" y="1"',
        "neither": 'x="1" y="10"',
        "regular": 'x="10" y="10"',
    }
    for group, corner in corners.items():
        html = write('{% include "components/group_glyph.html" %}', group=group)
        lit = next(part for part in html.split("<rect ") if 'class="on"' in part)
        assert corner in lit


@pytest.mark.parametrize(("rank", "chevrons"), [(1, "chevron-1"), (2, "chevron-2"), (3, "chevron-3"), (5, "chevron-3")])
def test_a_tier_is_chevrons_and_a_word(rank: int, chevrons: str) -> None:
    html = write('{% include "components/badge_tier.html" with name="Gold" %}', rank=rank)
    assert f"#{chevrons}" in html
    assert "Gold" in html


class NamesTable(tables.Table):
    name = tables.Column(verbose_name="Customer")
    store = tables.Column(verbose_name="Store", orderable=False)


def table_html(rows: list[dict[str, str]], path: str = "/?q=ber&page=3&sort=name", **options: Any) -> str:
    table = NamesTable(rows, empty_text="No customers yet.", **{"order_by": "name", **options})
    table.paginate(per_page=2)
    request = RequestFactory().get(path)
    return render_to_string("components/table.html", {"table": table}, request)


@pytest.mark.django_db
def test_a_table_sorts_by_link_says_so_and_forgets_the_page() -> None:
    html = table_html([{"name": name, "store": "Centrs"} for name in "abcde"])
    assert 'aria-sort="ascending"' in html
    assert 'href="?q=ber&amp;sort=-name"' in html
    assert html.count("aria-sort") == 1
    assert 'tabindex="0"' in html
    assert '<span aria-current="page">1</span>' in html
    assert "1 to 2 of 5" in html


@pytest.mark.django_db
def test_a_table_sorted_the_other_way_says_so_and_leads_back() -> None:
    html = table_html([{"name": name, "store": "Centrs"} for name in "ab"], "/?sort=-name", order_by="-name")
    assert 'aria-sort="descending"' in html
    assert "#arrow-down" in html
    assert "#arrow-up" not in html
    assert 'href="?sort=name"' in html


@pytest.mark.django_db
def test_a_long_table_counts_its_rows_as_the_reader_writes_numbers() -> None:
    assert "1 to 2 of 2,059" in table_html([{"name": "a", "store": "Centrs"}] * 2_059)
    with translation.override("lv"):
        assert "2\u00a0059" in table_html([{"name": "a", "store": "Centrs"}] * 2_059)


@pytest.mark.django_db
def test_an_empty_table_says_why() -> None:
    html = table_html([])
    assert "No customers yet." in html
    assert "<table" not in html
    assert "<nav" not in html


def test_pages_keep_the_query_and_leave_gaps() -> None:
    page = Paginator(range(200), 10).page(10)
    html = write('{% include "components/pagination.html" %}', "/?q=ber&page=10", page=page)
    assert "91 to 100 of 200" in html
    many = Paginator(range(2_000), 10).page(1)
    assert "1 to 10 of 2,000" in write('{% include "components/pagination.html" %}', "/", page=many)
    assert 'href="?q=ber&amp;page=11"' in html
    assert html.count("…") == 2


def test_one_page_has_no_pages() -> None:
    html = write('{% include "components/pagination.html" %}', page=Paginator(range(3), 10).page(1))
    assert html.strip() == ""


def test_chart_or_table_is_two_links_that_keep_the_query() -> None:
    html = write('{% include "components/chart_table_switch.html" with view="table" %}', "/?store=1&view=table")
    assert 'href="?store=1&amp;view=chart"' in html
    assert html.index("view=table") < html.index("aria-current") < html.index("#table")


def items(role: str, path: str = "/") -> list[str]:
    may = {permission.name.lower(): True for permission in GRANTS[role]}
    return [item.icon for item in navigation_items(may=may, path=path, badges={})]


def test_the_navigation_shows_what_a_role_may_open() -> None:
    manager, till = items(Role.MANAGER), items(Role.TILL)
    assert set(till) <= {"till"}
    assert set(till) <= set(manager)
    assert set(manager) <= {place.icon for place in PLACES}
    assert navigation_items(may={}, path="/", badges={}) == []


@pytest.mark.django_db
def test_the_till_person_sees_no_name_of_a_managers_page(client: Any) -> None:
    client.force_login(User.objects.create_user("liga@example.com", name="Līga", role=Role.TILL))
    html = render_to_string("base.html", {"may": {}}, RequestFactory().get("/"))
    assert "nav-list" in html
    assert "Settings" not in html


@pytest.mark.django_db
@pytest.mark.parametrize("template", ["400.html", "403.html", "403_csrf.html", "404.html", "413.html"])
@pytest.mark.parametrize("language", ["en", "lv", "ru"])
def test_error_pages_stand_in_every_language(template: str, language: str) -> None:
    with translation.override(language):
        html = render_to_string(template, {}, RequestFactory().get("/x/"))
    assert f'<html lang="{language}"' in html
    assert "<h1>" in html
    assert 'href="/"' in html


def test_the_last_error_page_needs_nothing() -> None:
    html = render_to_string("500.html")
    assert "{%" not in html
    assert 'lang="lv"' in html
    assert 'lang="ru"' in html


@pytest.mark.django_db
def test_the_title_begins_with_error_when_a_form_failed() -> None:
    request = RequestFactory().get("/")
    assert "<title>Error: " in render_to_string("404.html", {"form_failed": True}, request)
    assert "<title>Error: " not in render_to_string("404.html", {}, request)
