"""What a request says in its body: what nobody understood is refused, and never ignored."""

from io import BytesIO
from types import SimpleNamespace

import pytest
from django.core.handlers.asgi import ASGIRequest
from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from portal.api import reading
from portal.models import AuditEntry
from projects.models import Project, Stage
from tests import cast
from tests.apis import Caller

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.fixture
def shop(people: SimpleNamespace) -> SimpleNamespace:
    project = cast.project("demo", people)
    main = cast.branch(project, "main", Stage.PRODUCTION, instance=cast.instance(Stage.PRODUCTION, "demo.localhost"))
    domain = cast.domain(main, "www.example.com", proven=True)
    path = f"/api/v1/projects/demo/branches/{main.pk}/domains/{domain.pk}/"
    return SimpleNamespace(alice=Caller(people.alice), branch=main, path=path)


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        ('{"dry_run": true}', JSON, 400),
        ("][ not json", JSON, 400),
        ("[]", JSON, 400),
        ("null", JSON, 400),
        ("dry_run=1", FORM, 415),
        ("dry_run", "text/plain", 415),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_a_body_is_refused_by_an_operation_that_takes_none(
    shop: SimpleNamespace, headers: dict[str, str], body: str, content_type: str, code: int
) -> None:
    answer = shop.alice.delete(shop.path, body, content_type=content_type, headers=headers)

    assert answer.status_code == code
    assert shop.branch.domains.count() == 1
    assert not AuditEntry.objects.filter(verb__contains="domain").exists()


def test_a_refused_body_says_which_field_nobody_knows(shop: SimpleNamespace) -> None:
    answer = shop.alice.delete(shop.path, '{"dry_run": true}', content_type=JSON)

    assert answer.json()["errors"] == [{"name": "dry_run", "detail": "This operation knows no such field."}]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
@pytest.mark.parametrize(
    ("body", "content_type"), [("", JSON), ("", FORM), ("", "multipart/form-data"), ("", ""), ("{}", JSON)]
)
def test_an_empty_body_is_none(shop: SimpleNamespace, headers: dict[str, str], body: str, content_type: str) -> None:
    sent = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}  # the client leaves it out where empty

    answer = shop.alice.generic("DELETE", shop.path, body, content_type=content_type, headers=headers, **sent)

    assert answer.status_code == 204
    assert shop.branch.domains.count() == 0


@pytest.mark.parametrize("content_type", [FORM, "multipart/form-data; boundary=x", JSON])
def test_an_empty_change_changes_nothing_whatever_its_type(shop: SimpleNamespace, content_type: str) -> None:
    """Where a box isn't in a form it is off; but what isn't named stays."""
    Project.objects.update(public=True)
    sent = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": "0"}

    answer = shop.alice.generic("PATCH", "/api/v1/projects/demo/", "", content_type=content_type, **sent)

    assert (answer.status_code, answer.json()["public"]) == (200, True)
    assert Project.objects.get().public


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (r'{"login": "oscar", "role": "\ud800"}', "?"),
        (r'{"login": "oscar", "role": "tester", "a\udfffb": 1}', "a?b"),
        (r'{"login": "\ud800", "role": "tester"}', "login"),
        (r'["\ud800"]', "object"),
    ],
)
def test_half_a_character_is_refused_in_words_that_can_be_sent(shop: SimpleNamespace, body: str, said: str) -> None:
    answer = shop.alice.post("/api/v1/projects/demo/members/", body, content_type=JSON)

    assert answer.status_code == 400
    assert said in str(answer.json()["errors"])


@pytest.mark.parametrize("is_read", [False, True])
def test_a_body_in_chunks_is_refused_and_not_taken_for_none(is_read: bool) -> None:
    def sent(body: bytes) -> Request:
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", JSON.encode())]}
        request = Request(ASGIRequest(scope, BytesIO(body)), parsers=[reading.Json()])
        assert not is_read or request.body == body  # as for an Idempotency-Key
        return request

    with pytest.raises(ParseError, match="Content-Length"):
        reading.body(sent(b'{"dry_run": true}'), reading.Nothing)
    assert reading.body(sent(b""), reading.Nothing) == {}
