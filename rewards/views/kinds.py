"""Choosing the kind of a benefit, which says what is asked next."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from rewards.benefit_forms import KindForm, kind_named
from rewards.benefits import Benefit, BenefitKind


def kind_asked(request: HttpRequest, benefit: Benefit | None = None) -> BenefitKind | None:
    """The kind that a form is sent or asked for with, else that of the benefit there is; None: it is to be chosen."""
    named = kind_named(request.POST.get("kind") or request.GET.get("kind"))
    if named is not None or benefit is None or "choose" in request.GET:
        return named
    return BenefitKind(benefit.kind)


def choose_kind(request: HttpRequest, *, benefit: Benefit | None = None, **context: Any) -> HttpResponse:
    """The page that asks for the kind; it leads to the same address with `?kind=`."""
    asked = next((said for said in (request.GET, request.POST) if "kind" in said), None)
    form = KindForm(asked, initial={"kind": benefit.kind if benefit else BenefitKind.MONEY_OFF})
    return render(request, "rewards/staff/choose_kind.html", {"form": form, **context})
