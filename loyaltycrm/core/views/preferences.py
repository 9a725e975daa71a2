"""Language and theme, on every page, without JavaScript."""

from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from loyaltycrm.core.actions.preferences import THEMES, choose_language, choose_theme
from loyaltycrm.core.permissions import public

ONE_YEAR_SECONDS = 365 * 24 * 60 * 60


# Pages opened by a secret link send no referrer, and browsers then send "Origin: null", which the
# token check refuses; these two forms change nothing but how pages look, and ask the browser instead.
@csrf_exempt
@require_POST
@public("anyone may choose a language")
def set_language(request: HttpRequest) -> HttpResponse:
    """Keep the chosen language in a cookie and, for staff, on the person; then back to the page."""
    _refuse_other_sites(request)
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        raise BadRequest("An unknown language was chosen.")
    if request.user.is_authenticated:
        choose_language(by=request.user, language=language)
    return _keep(request, settings.LANGUAGE_COOKIE_NAME, language)


@csrf_exempt
@require_POST
@public("anyone may choose light or dark")
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme in a cookie and, for staff, on the person; "auto" follows the device."""
    _refuse_other_sites(request)
    theme = request.POST.get("theme", "")
    if theme not in (*THEMES, "auto"):
        raise BadRequest("An unknown theme was chosen.")
    theme = "" if theme == "auto" else theme
    if request.user.is_authenticated:
        choose_theme(by=request.user, theme=theme)
    return _keep(request, "theme", theme)


def _refuse_other_sites(request: HttpRequest) -> None:
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise PermissionDenied


def _keep(request: HttpRequest, name: str, value: str) -> HttpResponse:
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = "/"
    response = HttpResponseRedirect(back)
    if value:
        response.set_cookie(
            name, value, max_age=ONE_YEAR_SECONDS, httponly=True, secure=settings.SESSION_COOKIE_SECURE, samesite="Lax"
        )
    else:
        response.delete_cookie(name, samesite="Lax")
    return response
