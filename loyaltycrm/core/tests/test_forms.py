"""What a form says when something is to be fixed: next to the field and, word for word, above."""

import re
from html.parser import HTMLParser
from typing import Any, ClassVar

import pytest
from django import forms
from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from loyaltycrm.core.errors import Refused
from loyaltycrm.core.forms import AmountField, DeskFormMixin, PointsField, mistakes, one_time_key, summary_title
from loyaltycrm.core.models import Store

pytestmark = pytest.mark.django_db


class OfferForm(DeskFormMixin, forms.Form):
    purpose = "To schedule this offer"
    subject = forms.CharField(
        label="Russian subject", max_length=10, error_messages={"required": _("Write the Russian subject line")}
    )
    amount = AmountField(label="Amount paid", help_text="As on the receipt.", minimum_cents=100)
    points = PointsField(label="Points", required=False, maximum=500)
    email = forms.EmailField(label="Email", required=False)
    day = forms.DateField(label="Day", required=False)
    store = forms.ChoiceField(label="Store", choices=[("1", "Centrs")], required=False)
    how = forms.ChoiceField(
        label="How", widget=forms.RadioSelect, choices=[("a", "Words"), ("b", "Gift")], required=False
    )


GOOD = {"subject": "Chleb", "amount": "24,90"}


class Elements(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def one(self, **wanted: str) -> dict[str, str | None]:
        matching = [
            attrs for _tag, attrs in self.found if all(attrs.get(key) == value for key, value in wanted.items())
        ]
        assert len(matching) == 1, (wanted, matching)
        return matching[0]


def render(form: forms.Form, request: HttpRequest | None = None) -> str:
    return render_to_string("components/form.html", {"form": form}, request or RequestFactory().get("/"))


def errors_of(**values: str) -> dict[str, list[str]]:
    return {name: list(map(str, texts)) for name, texts in OfferForm({**GOOD, **values}).errors.items()}


def test_a_good_form_gives_minor_units_and_whole_points() -> None:
    form = OfferForm({**GOOD, "points": "200"})
    assert form.is_valid()
    assert (form.cleaned_data["amount"], form.cleaned_data["points"]) == (2490, 200)


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("subject", "", "Write the Russian subject line"),
        ("subject", "x" * 12, "Shorten this. Characters allowed: 10, now: 12"),
        ("amount", "", "Enter the amount paid, for example 24.90"),
        ("amount", "free", "Enter an amount, for example 24.90"),
        ("amount", "0.50", "Enter an amount of at least 1.00"),
        ("amount", "1000000,01", "Enter an amount of at most 1000000.00"),
        ("points", "1_000", "Enter a whole number, for example 200"),
        ("points", "２００", "Enter a whole number, for example 200"),
        ("points", "2.7", "Enter a whole number, for example 200"),
        ("points", "true", "Enter a whole number, for example 200"),
        ("points", "-5", "Enter a whole number, for example 200"),
        ("points", "0", "Enter a number from 1 to 500"),
        ("points", "501", "Enter a number from 1 to 500"),
        ("points", "9" * 400, "Enter a whole number, for example 200"),
        ("email", "anna", "Enter an email address, for example anna@example.com"),
        ("day", "soon", "Enter a date, for example 14.07.2026"),
        ("store", "7", "Choose one of the options shown"),
        ("how", "z", "Choose one of the options shown"),
    ],
)
def test_each_mistake_says_what_to_do(field: str, typed: str, says: str) -> None:
    assert errors_of(**{field: typed}) == {field: [says]}


def test_no_message_of_the_framework_shows_through() -> None:
    class Everything(DeskFormMixin, forms.Form):
        text = forms.CharField(label="Text")
        whole = forms.IntegerField(label="Whole", min_value=1, max_value=9)
        number = forms.DecimalField(label="Number", max_digits=4, decimal_places=2)
        chosen = forms.MultipleChoiceField(label="Chosen", choices=[("a", "A")])
        file = forms.FileField(label="File")
        when = forms.DateTimeField(label="When")

    sent: list[dict[str, Any]] = [
        {},
        {"text": "\0", "whole": "x", "number": "x", "chosen": ["b"], "when": "x"},
        {"text": "a", "whole": "0", "number": "1.234", "chosen": ["a"], "when": "x"},
        {"text": "a", "whole": "10", "number": "12345", "chosen": ["a"], "when": "x"},
    ]
    for data in sent:
        said = " ".join(str(text) for texts in Everything(data).errors.values() for text in texts)
        assert said
        assert not re.search(r"required|valid|ensure|please|oops|error|!", said, re.IGNORECASE), said


def test_messages_follow_the_readers_language_at_the_time() -> None:
    form = OfferForm({**GOOD, "amount": ""})
    with translation.override("lv"):
        assert str(mistakes(form)[0].text).endswith("24,90")


def test_the_summary_counts_names_and_links_in_page_order() -> None:
    form = OfferForm({"subject": "", "amount": "free", "how": "z"})
    form.is_valid()
    form.refuse(Refused("Not enough points: 120 needed, 96 left"))
    assert summary_title(form) == "To schedule this offer, fix 4 things"
    assert [(one.text, one.field_id) for one in mistakes(form)] == [
        ("Not enough points: 120 needed, 96 left", ""),
        ("Write the Russian subject line", "id_subject"),
        ("Enter an amount, for example 24.90", "id_amount"),
        ("Choose one of the options shown", "id_how_0"),
    ]


def test_no_choice_is_not_shown_as_dashes() -> None:
    class WithStore(DeskFormMixin, forms.Form):
        store = forms.ModelChoiceField(label="Store", queryset=Store.objects.all(), required=False)
        usual = forms.ModelChoiceField(label="Usual", queryset=Store.objects.all(), required=False, empty_label="None")

    shown = render(WithStore())
    assert '<option value="" selected>…</option>' in shown
    assert '<option value="" selected>None</option>' in shown
    assert "---" not in shown


def test_the_same_mistake_in_two_fields_names_each_of_them() -> None:
    form = OfferForm({**GOOD, "store": "7", "how": "z"})
    assert [one.text for one in mistakes(form)] == [
        "Choose one of the options shown (Store)",
        "Choose one of the options shown (How)",
    ]


def test_one_mistake_is_one_thing_and_a_refusal_goes_to_its_field() -> None:
    form = OfferForm(GOOD)
    assert form.is_valid()
    form.refuse(Refused("Choose a smaller amount", field="amount"))
    assert summary_title(form) == "To schedule this offer, fix 1 thing"
    assert mistakes(form)[0].field_id == "id_amount"
    other = OfferForm(GOOD)
    assert other.is_valid()
    other.refuse(Refused("The offer has ended", field="unknown"))
    assert mistakes(other)[0].field_id == ""


def test_a_failed_form_repeats_each_message_word_for_word_and_keeps_what_was_typed() -> None:
    html = render(OfferForm({"subject": "", "amount": "<free>", "email": "anna"}))
    for text in ("Write the Russian subject line", "Enter an amount, for example 24.90"):
        assert html.count(text) == 2
    summary = Elements(html).one(**{"class": "error-summary"})
    assert summary["tabindex"] == "-1"
    assert "autofocus" in summary
    assert 'href="#id_amount"' in html
    assert 'value="&lt;free&gt;"' in html
    assert 'value="anna"' in html


def test_a_field_points_to_its_help_and_its_mistake() -> None:
    page = Elements(render(OfferForm({"subject": "", "amount": "free", "how": "z"})))
    amount = page.one(id="id_amount")
    assert amount["aria-invalid"] == "true"
    assert amount["aria-describedby"] == "id_amount_helptext id_amount_error"
    assert page.one(id="id_subject")["aria-describedby"] == "id_subject_error"
    page.one(id="id_amount_helptext")
    page.one(id="id_amount_error")
    assert page.one(id="id_how_0")["aria-invalid"] == "true"
    group = [attrs for tag, attrs in page.found if tag == "fieldset"]
    assert [attrs.get("aria-describedby") for attrs in group] == ["id_how_error"]


def test_a_form_without_mistakes_has_no_summary_and_marks_nothing() -> None:
    page = Elements(render(OfferForm()))
    assert all(attrs.get("class") != "error-summary" for _tag, attrs in page.found)
    assert all("aria-invalid" not in attrs for _tag, attrs in page.found)
    assert page.one(id="id_amount")["aria-describedby"] == "id_amount_helptext"


def test_every_field_has_a_label_and_optional_ones_say_so() -> None:
    html = render(OfferForm())
    page = Elements(html)
    labelled = {attrs["for"] for tag, attrs in page.found if tag == "label"}
    ids = {
        attrs["id"]
        for tag, attrs in page.found
        if tag in ("input", "select", "textarea") and attrs.get("type") != "hidden"
    }
    assert ids == labelled
    assert html.count("(optional)") == 5


def test_an_amount_is_shown_again_as_people_write_it() -> None:
    with translation.override("lv"):
        assert 'value="24,90"' in render(OfferForm(initial={"amount": 2490}))
        assert 'value="24.9"' in render(OfferForm({"subject": "", "amount": "24.9"}))


def test_a_one_time_key_comes_with_every_form_and_stays_when_it_is_shown_again() -> None:
    first = Elements(render(OfferForm())).one(name="idempotency_key")["value"]
    second = Elements(render(OfferForm())).one(name="idempotency_key")["value"]
    assert first != second
    again = RequestFactory().post("/", {"idempotency_key": first or ""})
    assert Elements(render(OfferForm({}), again)).one(name="idempotency_key")["value"] == first
    assert one_time_key(again) == first


@pytest.mark.parametrize("sent", ["", "abc", "1" * 300, "' or 1=1"])
def test_a_form_without_its_key_is_a_bad_request(sent: str) -> None:
    with pytest.raises(BadRequest):
        one_time_key(RequestFactory().post("/", {"idempotency_key": sent}))


def test_the_form_is_checked_by_us_and_not_by_the_browser() -> None:
    assert "novalidate" in Elements(render(OfferForm())).one(method="post")


def test_an_unchanged_amount_is_not_a_change() -> None:
    class Changed(DeskFormMixin, forms.Form):
        amount = AmountField(label="Amount")
        initial_values: ClassVar[dict[str, int]] = {"amount": 2490}

    assert not Changed({"amount": "24,90"}, initial=Changed.initial_values).has_changed()
    assert Changed({"amount": "24,91"}, initial=Changed.initial_values).has_changed()
    assert Changed({"amount": "much"}, initial=Changed.initial_values).has_changed()


class VisitForm(DeskFormMixin, forms.Form):
    subject = forms.CharField()
    words = forms.CharField(widget=forms.Textarea)
    draft = forms.CharField(widget=forms.HiddenInput)
    count = forms.IntegerField()
    factor = forms.DecimalField()
    day = forms.DateField(input_formats=["%Y-%m-%d"])
    clock = forms.TimeField()


ASKED = {
    "subject": "Soup", "words": "Cold", "draft": "Cold", "count": "12", "factor": "1.5", "day": "2026-07-14",
    "clock": "10:00",
}  # fmt: skip


@pytest.mark.parametrize("sign", ["\x00", "\x0b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800", "\ufffe", "\U0001ffff"])
def test_signs_that_cannot_be_seen_count_as_blanks(sign: str) -> None:
    form = VisitForm(ASKED | dict.fromkeys(("subject", "words", "draft"), f"a{sign}b"))
    assert form.is_valid()
    assert {form.cleaned_data[name] for name in ("subject", "words", "draft")} == {"a b"}


def test_one_line_of_text_is_one_line_and_what_is_seen_stays() -> None:
    text = "Ā\t👨‍👩‍👧\r\nBcc: all@example.com"
    form = VisitForm(ASKED | dict.fromkeys(("subject", "words", "draft"), text))
    assert form.is_valid()
    assert form.cleaned_data["subject"] == "Ā 👨‍👩‍👧  Bcc: all@example.com"
    assert form.cleaned_data["words"] == form.cleaned_data["draft"] == text


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("count", "1_000"), ("count", "１２"), ("count", "१२"), ("count", "true"), ("count", "2.7"), ("count", "1e3"),
        ("factor", "1_0.5"), ("factor", "１.５"), ("factor", "NaN"), ("factor", "Infinity"),
        ("day", "２０２６-07-14"), ("day", "२०२६-07-14"), ("clock", "１０:00"),
    ],
)  # fmt: skip
def test_numbers_days_and_times_are_plain_digits(name: str, typed: str) -> None:
    assert VisitForm(ASKED).is_valid()
    form = VisitForm(ASKED | {name: typed})
    assert list(form.errors) == [name]
    assert name not in form.cleaned_data
