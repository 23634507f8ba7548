"""What every page owes its reader: errors that help, and nothing that the content security policy forbids."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.views.defaults import bad_request, permission_denied, server_error

TEMPLATES = sorted((Path(settings.BASE_DIR) / "templates").rglob("*.html"))


def test_a_missing_page_says_what_may_be_the_reason(client: Client, people: SimpleNamespace) -> None:
    client.force_login(people.oscar)

    response = client.get("/demo/builds/")

    assert response.status_code == 404
    assert "no member of" in response.content.decode()


def test_a_role_that_is_too_weak_says_which_would_do(client: Client) -> None:
    response = permission_denied(RequestFactory().get("/"), PermissionError("As developer you can't."))

    assert "As developer you can" in response.content.decode()
    assert "Nothing was changed" in response.content.decode()


@pytest.mark.parametrize("view", [server_error, lambda request: bad_request(request, Exception())])
def test_our_own_mistakes_have_a_page_that_needs_no_database(view: object) -> None:
    response: HttpResponse = view(RequestFactory().get("/"))  # type: ignore[operator]

    assert "<h1>" in response.content.decode()


def test_a_form_without_its_token_is_refused_with_the_reason(people: SimpleNamespace) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.alice)

    response = client.post("/new/", {})

    assert response.status_code == 403
    assert "out of date" in response.content.decode()


def test_the_policy_allows_nothing_inline(client: Client, db: None) -> None:
    policy = client.get("/sign-in/").headers["Content-Security-Policy"]

    assert "unsafe" not in policy
    assert "default-src 'self'" in policy


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_inline_style_script_or_handler(template: Path) -> None:
    text = template.read_text()

    assert not re.search(r"\sstyle=|\son\w+=|\shx-on|<style|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


def test_error_pages_are_whole_without_a_request() -> None:
    for name in ("400.html", "403.html", "403_csrf.html", "404.html", "500.html"):
        assert "</html>" in render_to_string(name, request=HttpRequest() if name == "404.html" else None)
