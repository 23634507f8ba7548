"""Custom domains from the first record in DNS to https: a real authority (pebble), name server and HAProxy."""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn
from cryptography import x509
from django.core.asgi import get_asgi_application
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from hosting import aliases, certificates, machines, pem, routing
from hosting.engines.haproxy import Router, RouterState
from hosting.models import Certificate, Slot, Stage
from portal import clock
from portal.stories import ProjectError
from projects import domaincheck, domains
from projects.models import Branch, Domain
from tests import cast
from tests.engine.authority import Authority, authority
from tests.engine.routers import Answer, ask, configured, fetch, free_port, pool

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]

NAME = "www.example.com"


@dataclass
class Scene:
    """A router with TLS, a portal and an authority behind it, and production of a project, which serves."""

    router: Router
    authority: Authority
    branch: Branch
    people: SimpleNamespace

    def add(self) -> Domain:
        """A domain whose CNAME leads here, after a look at DNS."""
        self.authority.set_cname(NAME, "shop.localhost")
        made = domains.add(branch=self.branch, name=NAME, by=self.people.alice, manages=True)
        domaincheck.check(made)
        aliases.tell(NAME)
        made.refresh_from_db()
        return made

    def issue(self) -> Certificate:
        certificate = Certificate.objects.get(alias__hostname=NAME)
        certificates.attend(certificate.pk)
        certificate.refresh_from_db()
        return certificate

    def shown(self, name: str = NAME) -> x509.Certificate:
        """The certificate that a visitor of a name gets to see."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", self.router.config.tls_port), timeout=10)
        with raw, context.wrap_socket(raw, server_hostname=name) as connection:
            found = connection.getpeercert(True)
        assert found
        return x509.load_der_x509_certificate(found)

    def https(self, path: str, **more: str) -> Answer:
        """Over TLS, as a browser would that knows this authority."""
        context = ssl.create_default_context(cadata=self.authority.root())
        connection = http.client.HTTPSConnection("127.0.0.1", self.router.config.tls_port, timeout=10, context=context)
        raw = socket.create_connection(("127.0.0.1", self.router.config.tls_port), timeout=10)
        connection.sock = context.wrap_socket(raw, server_hostname=NAME)
        with contextlib.closing(connection):
            return ask(connection, path, NAME, **more)  # type: ignore[arg-type]


@contextlib.contextmanager
def portal(router: Router) -> Iterator[None]:
    """The portal's pages at the socket where the router expects them."""
    router.config.web.mkdir(exist_ok=True)
    path = router.config.web / "web-1.sock"
    server = uvicorn.Server(uvicorn.Config(get_asgi_application(), uds=str(path), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    Path(path).chmod(0o666)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def pause(certificate: Certificate) -> timedelta:
    """From the last attempt to the next."""
    assert certificate.next_at
    assert certificate.tried_at
    return certificate.next_at - certificate.tried_at


def until_due(certificate: Certificate) -> timedelta:
    assert certificate.next_at
    return certificate.next_at - clock.now() + timedelta(seconds=1)


@pytest.fixture
def stage(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}  # no collectstatic stands before the tests
    settings.STATIC_ROOT = settings.BASE_DIR / "static"
    people = cast.people()
    instance = cast.instance(Stage.PRODUCTION, "shop.localhost")
    branch = cast.branch(cast.project("shop", people), "main", Stage.PRODUCTION, instance=instance)
    Slot.objects.create(number=1, pool=instance.live_pool)
    settings.BERTH_TLS_PORT = free_port()
    with (
        configured(tls_port=settings.BERTH_TLS_PORT, portal_host="127.0.0.1") as router,
        authority(router.config.router_port) as ca,
        pool("blue") as serving,
    ):
        settings.BERTH_ROUTER_PORT, settings.BERTH_RESOLVER = router.config.router_port, ca.resolver
        settings.BERTH_ACME_DIRECTORY, settings.BERTH_ACME_CA_FILE = ca.directory, str(ca.ca_file)
        settings.BERTH_DOMAIN = "localhost"
        monkeypatch.setattr(machines, "router", lambda slots=0: router)
        router.config.run.mkdir(parents=True)
        certificates.write()
        router.write(RouterState(slots={1: [serving.server]}))
        router.start()
        routing.apply(instance)
        with portal(router):
            until(lambda: fetch(router, "/healthz", "127.0.0.1", port=router.config.portal_port).status == 200)
            yield Scene(router, ca, branch, people)


def test_a_domain_gets_a_certificate_serves_and_renews_it_and_is_removed(stage: Scene) -> None:
    router, platform = stage.router, stage.shown("shop.localhost")
    assert fetch(router, host=NAME).status == 404

    domain = stage.add()
    assert (domain.proof, domain.found["here"]) == ("cname", True)
    assert fetch(router, host=NAME).seen["pool"] == "blue"

    certificate = stage.issue()
    assert (certificate.error, certificate.attempts) == ("", 0)
    answer = stage.https("/web?a=1")
    assert (answer.seen["pool"], answer.seen["headers"]["x-forwarded-proto"]) == ("blue", "https")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    redirect = fetch(router, "/web?a=1", NAME)
    port = router.config.tls_port
    assert (redirect.status, redirect.headers["location"]) == (301, f"https://{NAME}:{port}/web?a=1")
    assert fetch(router, "/jsonrpc", NAME, method="POST", body=b"{}").status == 308
    assert b"Disallow: /" in fetch(router, "/robots.txt", "shop.localhost").body
    assert stage.https("/robots.txt").seen["pool"] == "blue"

    first = stage.shown()
    with clock.moved(timedelta(days=59)):
        certificates.look_after()
        assert stage.shown() == first
    with clock.moved(timedelta(days=60, minutes=1)):
        certificates.look_after()
    assert stage.shown().serial_number != first.serial_number
    assert stage.https("/").status == 200

    router.stop()
    router.start()
    assert stage.https("/").status == 200

    domains.remove(domain=domain, by=stage.people.alice)
    aliases.tell(NAME, stage.branch.instance_id)
    assert stage.shown() == platform
    assert fetch(router, host=NAME).status == 404
    assert not router.config.certificate(NAME).exists()
    assert fetch(router, "/robots.txt", "shop.localhost").seen["pool"] == "blue"


def test_a_second_tenant_is_refused_and_changes_nothing(stage: Scene) -> None:
    stage.add()
    stage.issue()
    shown = stage.shown()
    rival = cast.branch(cast.project("rival", stage.people), "main", Stage.PRODUCTION)

    with pytest.raises(ProjectError, match=f"{NAME} belongs to another project"):
        domains.add(branch=rival, name=NAME, by=stage.people.alice, manages=True)

    assert stage.shown() == shown
    assert stage.https("/").seen["pool"] == "blue"


def test_a_challenge_that_never_becomes_valid_is_said_and_asked_for_ever_more_rarely(stage: Scene) -> None:
    """Visitors come here by one record, and elsewhere by what is asked of the name next."""
    stage.add()
    stage.authority.clear_cname(NAME)
    stage.authority.set_address(NAME, "127.0.0.9")  # where nobody listens

    failed = stage.issue()
    assert NAME in failed.error or "127.0.0.9" in failed.error
    pauses = [pause(failed)]
    for _ in range(2):
        with clock.moved(until_due(failed)):
            certificates.look_after()
        failed.refresh_from_db()
        pauses.append(pause(failed))
    assert [each / timedelta(minutes=5) for each in pauses] == [1, 2, 4]
    assert (failed.attempts, failed.chain) == (3, "")
    assert stage.shown() == stage.shown("shop.localhost")
    assert fetch(stage.router, host=NAME).status == 200  # http serves meanwhile

    stage.authority.set_cname(NAME, "shop.localhost")
    with clock.moved(until_due(failed)):
        certificates.look_after()
    assert stage.https("/").status == 200


def test_an_authority_that_is_down_for_a_day_is_asked_again_until_it_is_back(stage: Scene, settings: Settings) -> None:
    stage.add()
    first = stage.issue()
    shown, back = stage.shown(), settings.BERTH_ACME_DIRECTORY
    settings.BERTH_ACME_DIRECTORY = f"https://localhost:{free_port()}/dir"
    for hours in range(0, 25, 2):
        with clock.moved(timedelta(days=60, hours=hours, minutes=1)):
            certificates.look_after()
    certificate = Certificate.objects.get()
    assert "can't be reached" in certificate.error
    assert certificate.chain == first.chain
    assert stage.shown() == shown

    settings.BERTH_ACME_DIRECTORY = back
    with clock.moved(timedelta(days=61, hours=1)):
        certificates.look_after()
    certificate.refresh_from_db()
    assert (certificate.error, certificate.attempts) == ("", 0)
    assert stage.shown() != shown


def test_a_certificate_of_their_own_is_served_and_one_without_its_key_refused(stage: Scene) -> None:
    stage.add()
    stage.issue()
    before = stage.shown()
    own, other = pem.self_signed(NAME, clock.now()), pem.self_signed(NAME, clock.now())
    client = Client()
    client.force_login(stage.people.alice)
    page = f"/shop/branches/{stage.branch.pk}/domains/{Domain.objects.get().pk}/certificate/"

    def send(chain: str, key: str) -> str:
        files = {"chain": SimpleUploadedFile("c.pem", chain.encode()), "key": SimpleUploadedFile("k.pem", key.encode())}
        return client.post(page, files, follow=True, headers={"host": "127.0.0.1"}).content.decode()

    assert "The key is not that of the certificate" in send(own.chain, other.key)
    assert stage.shown() == before

    assert "is used for www.example.com from now on" in send(own.chain, own.key)
    stage.issue()
    assert f"{stage.shown().serial_number:x}" == own.serial


def test_a_certificate_is_shown_for_its_own_domain_alone(stage: Scene) -> None:
    """Whatever other names it claims to be good for: those may be somebody else's."""
    made = stage.add()
    assert made.alias is not None
    greedy = pem.self_signed("example.com", clock.now())  # and *.example.com
    certificates.bring(made.alias, chain=greedy.chain, key=greedy.key)
    stage.issue()

    assert f"{stage.shown().serial_number:x}" == greedy.serial
    assert stage.shown("shop.example.com") == stage.shown("shop.localhost")


def test_what_is_not_a_challenge_tells_nobody_anything(stage: Scene) -> None:
    assert fetch(stage.router, "/.well-known/acme-challenge/nothing", "elsewhere.example").status == 404
    assert fetch(stage.router, "/.well-known/acme-challenge/../../sign-in/", "elsewhere.example").status in (400, 404)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_of_tls_are_refused(stage: Scene, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    raw = socket.create_connection(("127.0.0.1", stage.router.config.tls_port), timeout=10)
    with raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw, server_hostname=NAME)
