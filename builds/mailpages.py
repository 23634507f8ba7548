"""The Mails tab of staging and development: what their databases sent, and nobody got.

Whoever wrote a mail may have written it for those who read it here. Its HTML is a document of its own, in a frame that
has no rights and may load nothing; everything else of it is downloaded, and never opened by the browser.
"""

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET

from builds.access import mailbox_or_404
from builds.branchframe import branch_context, sidebar
from hosting import mailparts, mails
from hosting.models import Mail
from portal.live import respond
from projects.access import Access
from projects.models import Branch

SHOWN = 50  # of a page
EVERY = 5  # seconds between two polls of the list
VIEWS = ("html", "text", "source")
LINKS = '<!DOCTYPE html><base target="_blank">'  # the frame itself goes nowhere: what surrounds it allows no other page

# `sandbox` holds for who opens the document by itself, too: no script, no form, no origin. Only a link that somebody
# clicks opens, in a tab of its own: to invite a user, or to give him a new password, is what people try.
NOTHING_FROM_OUTSIDE = {
    "default-src": [NONE],
    "img-src": ["data:"],
    "style-src": [UNSAFE_INLINE],
    "form-action": [NONE],
    "base-uri": [NONE],
    "frame-ancestors": [SELF],
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
}


@require_GET
def branch_mails(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    access, branch, rows = mailbox_or_404(request, slug, pk)
    search = request.GET.get("q", "").strip()
    found = rows.defer("raw").order_by("-pk")
    if search:
        found = found.filter(
            Q(subject__icontains=search) | Q(sender__icontains=search) | Q(recipients__icontains=search)
        )
    page = Paginator(found, SHOWN).get_page(request.GET.get("page"))
    context = branch_context(access, branch, "mails") | sidebar(access, "", branch)
    context |= {"title": f"Mails · {branch} · {access.project}", "page": page, "search": search, "kept": mails.KEPT}
    return respond(request, "builds/branch_mails.html", context, every=EVERY)


@never_cache
@require_GET
def branch_mail(request: HttpRequest, slug: str, pk: int, mail: int) -> HttpResponse:
    access, branch, row = _mail_or_404(request, slug, pk, mail)
    message = mailparts.read(bytes(row.raw))
    views = [view for view in VIEWS if view == "source" or getattr(message, view)]
    asked = request.GET.get("view", "")
    view = asked if asked in views else views[0]
    context = branch_context(access, branch, "mails") | sidebar(access, "", branch)
    context |= {"title": f"{row} · Mails · {branch}", "mail": row, "message": message, "views": views, "view": view}
    if view != "html":
        context["text"] = message.text if view == "text" else mailparts.as_text(bytes(row.raw))
    return render(request, "builds/branch_mail.html", context)


@csp(NOTHING_FROM_OUTSIDE)  # type: ignore[arg-type]
@xframe_options_sameorigin
@never_cache
@require_GET
def mail_html(request: HttpRequest, slug: str, pk: int, mail: int) -> HttpResponse:
    """The document in the frame."""
    _access, _branch, row = _mail_or_404(request, slug, pk, mail)
    return HttpResponse(LINKS + mailparts.read(bytes(row.raw)).html)


@never_cache
@require_GET
def mail_part(request: HttpRequest, slug: str, pk: int, mail: int, part: int) -> HttpResponse:
    _access, _branch, row = _mail_or_404(request, slug, pk, mail)
    found = mailparts.content(bytes(row.raw), part)
    if found is None:
        raise Http404
    return _download(found[0].name, found[1])


@never_cache
@require_GET
def mail_source(request: HttpRequest, slug: str, pk: int, mail: int) -> HttpResponse:
    _access, _branch, row = _mail_or_404(request, slug, pk, mail)
    return _download(f"mail-{row.pk}.eml", bytes(row.raw))


def _download(name: str, content: bytes) -> HttpResponse:
    """Whatever it says it is, the browser takes it for a file; SecurityMiddleware adds nosniff."""
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, name)
    return response


def _mail_or_404(request: HttpRequest, slug: str, pk: int, mail: int) -> tuple[Access, Branch, Mail]:
    access, branch, rows = mailbox_or_404(request, slug, pk)
    return access, branch, get_object_or_404(rows, pk=mail)
