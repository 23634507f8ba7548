"""Deploy keys of submodules: made, installed, rotated, removed, and found for their own address alone."""

import re
import socket
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from django.db import connection
from django.test import Client
from pytest_django import Settings

from portal.models import AuditEntry
from portal.stories import ProjectError
from projects import deploykeys
from projects.deploykeys import Ring
from projects.keypairs import fingerprint, host_fingerprints, new_pair
from projects.models import DeployKey, Project
from projects.providers import Forbidden
from tests import cast
from tests.unit.fakes import World
from tests.unit.fakes.github import FakeGitHub

URL = "git@github.com:acme/lib.git"
PAGE = "/demo/settings/submodules/"


HOSTS = {
    "github.com": ["140.82.121.4"],
    "gitlab.com": ["172.65.251.78"],
    "inside.example": ["10.0.0.5"],
    "both.example": ["140.82.121.4", "::1"],
    "127.0.0.1": ["127.0.0.1"],
}


def look_up(host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
    if host not in HOSTS:
        raise socket.gaierror
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in HOSTS[host]]


@pytest.fixture(autouse=True)
def _name_server(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    settings.BERTH_GIT_ALLOW_PRIVATE = False
    settings.BERTH_GITHUB_URL = "https://github.com"


@pytest.fixture
def project(people: SimpleNamespace, world: World) -> Project:
    world.repository = "acme/lib"  # the submodule's, which is what is asked of GitHub here
    people.alice.github_token = "gho_alice"
    people.alice.save()
    return cast.project("demo", people)


@pytest.fixture
def alice(client: Client, people: SimpleNamespace, project: Project) -> Client:
    client.force_login(people.alice)
    return client


def add(alice: Client, url: str = URL, kind: str = "ed25519") -> str:
    return alice.post(PAGE, {"url": url, "kind": kind}, follow=True).content.decode()


def act(alice: Client, verb: str) -> str:
    return alice.post(f"{PAGE}{DeployKey.objects.get().pk}/{verb}/", follow=True).content.decode()


@pytest.mark.parametrize(("kind", "begins"), [("ed25519", "ssh-ed25519 "), ("rsa", "ssh-rsa ")])
def test_a_pair_is_made_whose_private_half_is_encrypted_in_the_row_and_on_no_page(
    alice: Client, kind: str, begins: str
) -> None:
    page = add(alice, kind=kind)
    key = DeployKey.objects.get()
    assert key.public.startswith(begins)
    assert key.public in page
    assert "PRIVATE KEY" not in page
    private = load_ssh_private_key(key.private.encode(), None)
    assert private.public_key() == load_ssh_public_key(key.public.encode())
    with connection.cursor() as cursor:
        cursor.execute("SELECT private FROM projects_deploykey")
        assert "PRIVATE KEY" not in cursor.fetchone()[0]
    entry = AuditEntry.objects.get(verb="add deploy key")
    assert (entry.by, entry.object) == ("alice", URL)
    assert "PRIVATE" not in str(entry.after)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://github.com/acme/lib.git", "no SSH address"),
        ("ssh://-oProxyCommand=reboot/x", "characters that can"),
        ("ssh://git@github.com/acme/lib -oProxyCommand=reboot", "has spaces"),
        ("git@-oProxyCommand=reboot:acme/lib", "characters that can"),
        ("-oProxyCommand=reboot@github.com:x", "begins with -"),
        ("ext::sh -c reboot", "has spaces"),
        ("ext::reboot", "must begin with"),
        ("/srv/git/lib.git", "must begin with"),
        ("file:///srv/git/lib.git", "must begin with"),
        ("../lib.git", "must begin with"),
        ("ssh://git@127.0.0.1/lib.git", "inside a private network"),
        ("git@inside.example:acme/lib.git", "inside a private network"),
        ("git@both.example:acme/lib.git", "inside a private network"),
        ("git@nowhere.example:acme/lib.git", "be found"),
        ("ssh://git:secret@github.com/acme/lib.git", "a user or a password in it"),
        ("github.com:acme/lib.git", "names no user"),
        ("git@github.com:" + "x" * 600, "at most 500 characters"),
        ("", "This field is required"),
    ],
)
def test_an_address_that_no_key_can_be_for_is_refused(alice: Client, url: str, says: str) -> None:
    page = add(alice, url)
    assert says in re.sub("&#x27;", "'", page)
    assert not DeployKey.objects.exists()


def test_an_address_has_one_key_however_it_is_written(alice: Client) -> None:
    add(alice)
    page = add(alice, "ssh://git@GitHub.com:22/acme/lib")
    assert "This address has a key already" in page
    assert DeployKey.objects.count() == 1


def test_builds_get_it_for_that_address_alone(alice: Client, people: SimpleNamespace, project: Project) -> None:
    add(alice)
    ring = Ring(project)
    assert ring.find("ssh://git@github.com/acme/lib.git")
    for other in (
        "git@github.com:acme/other.git",
        "git@gitlab.com:acme/lib.git",
        "bob@github.com:acme/lib.git",
        "ssh://git@github.com:2222/acme/lib.git",
        "https://github.com/acme/lib.git",
    ):
        assert ring.find(other) is None
    assert ring.ssh_url("https://github.com/acme/lib") == URL
    assert ring.ssh_url("https://github.com/acme/other") is None
    assert Ring(cast.project("other", people)).find(URL) is None


def test_one_click_installs_it_with_the_persons_own_rights(alice: Client, world: World) -> None:
    assert "Install at GitHub" in add(alice)
    page = act(alice, "install")
    key = DeployKey.objects.get()
    assert world.deploy_keys == [key.public]
    assert key.provider_key == "1"
    assert "Install at GitHub" not in page
    assert AuditEntry.objects.get(verb="install deploy key").after == {"repository": "acme/lib", "id": 1}


def test_one_click_is_not_offered_for_another_server(alice: Client) -> None:
    assert "Install at GitHub" not in add(alice, "git@gitlab.com:acme/lib.git")


def test_what_github_refuses_is_said_with_what_to_do(alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> int:
        raise Forbidden("GitHub did not install a deploy key.")

    monkeypatch.setattr(FakeGitHub, "add_deploy_key", refuse)
    add(alice)
    assert "ask an admin of that repository to add it" in act(alice, "install")
    assert DeployKey.objects.get().provider_key == ""


def test_it_is_installed_at_no_other_repository_than_its_addresss(alice: Client, world: World) -> None:
    add(alice)
    world.repository = "acme/renamed"
    assert "is not the SSH address of acme/renamed" in act(alice, "install")
    assert world.deploy_keys == []


def test_rotating_installs_the_new_half_and_then_removes_the_old_one(alice: Client, world: World) -> None:
    add(alice)
    act(alice, "install")
    before = DeployKey.objects.get()
    act(alice, "rotate")
    key = DeployKey.objects.get()
    assert key.public != before.public
    assert key.private != before.private
    assert world.deploy_keys == ["", key.public]
    assert (key.provider_key, key.stale_key) == ("2", "")


def test_a_rotation_that_ended_half_way_is_ended_by_the_next_click(
    alice: Client, world: World, people: SimpleNamespace
) -> None:
    add(alice)
    act(alice, "install")
    deploykeys.rotate(key=DeployKey.objects.get(), by=people.alice)  # killed before the provider was asked
    assert "still installed there" in alice.get(PAGE).content.decode()
    act(alice, "install")
    assert world.deploy_keys == ["", DeployKey.objects.get().public]


def test_removing_takes_it_away_at_github_too(alice: Client, world: World) -> None:
    add(alice)
    act(alice, "install")
    page = act(alice, "remove")
    assert world.deploy_keys == [""]
    assert not DeployKey.objects.exists()
    assert "Private submodules" in page


def test_one_that_can_not_be_removed_at_github_is_forgotten_here_and_said(
    alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise Forbidden("GitHub did not remove it.")

    add(alice)
    act(alice, "install")
    monkeypatch.setattr(FakeGitHub, "delete_deploy_key", refuse)
    assert "Remove it there by hand" in act(alice, "remove")
    assert not DeployKey.objects.exists()


def test_last_use_last_error_and_the_servers_key_are_shown(alice: Client, project: Project) -> None:
    assert "never" in add(alice)
    ring, hosts = Ring(project), f"github.com {new_pair('ed25519', '')[1]}"
    ring.note(URL, known_hosts=hosts, error="")
    page = alice.get(PAGE).content.decode()
    assert "Worked" in page
    assert host_fingerprints(hosts)[0] in page
    ring.note(URL, known_hosts="github.com ssh-ed25519 AAAA", error="Git failed: the server refused the SSH <key>.")
    page = alice.get(PAGE).content.decode()
    assert "refused the SSH &lt;key&gt;" in page
    assert DeployKey.objects.get().known_hosts == hosts  # pinned


def test_a_host_key_is_pinned_anew_only_when_it_was_forgotten(alice: Client, project: Project) -> None:
    add(alice)
    DeployKey.objects.update(known_hosts="github.com ssh-ed25519 AAAA")
    act(alice, "forget-host")
    Ring(project).note(URL, known_hosts="github.com ssh-ed25519 BBBB", error="")
    assert DeployKey.objects.get().known_hosts == "github.com ssh-ed25519 BBBB"
    assert AuditEntry.objects.get(verb="forget host key").before == {"known_hosts": "github.com ssh-ed25519 AAAA"}


def test_a_key_that_is_gone_when_its_use_is_noted_does_no_harm(project: Project) -> None:
    Ring(project).note(URL, known_hosts="", error="")
    assert not DeployKey.objects.exists()


def test_fingerprints_are_those_of_ssh_keygen() -> None:
    """`ssh-keygen -l` on GitHub's published ed25519 host key says so.
    https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/githubs-ssh-key-fingerprints
    """
    published = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    assert fingerprint(published) == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    assert fingerprint("nonsense") == ""


def test_who_is_no_admin_can_not_make_one(people: SimpleNamespace, project: Project, client: Client) -> None:
    client.force_login(people.dev)
    assert client.post(PAGE, {"url": URL, "kind": "ed25519"}).status_code == 403
    assert not DeployKey.objects.exists()


def test_two_at_once_make_one_key(people: SimpleNamespace, project: Project) -> None:
    values = {"project": project, "url": URL, "kind": DeployKey.Kind.ED25519, "by": people.alice}
    deploykeys.add(**values)
    with pytest.raises(ProjectError, match="has a key already"):
        deploykeys.add(**values)
    assert AuditEntry.objects.filter(verb="add deploy key").count() == 1


def test_one_that_is_rotated_while_it_is_installed_is_not_said_to_be(
    alice: Client, world: World, people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(alice)
    asked = FakeGitHub.add_deploy_key

    def slowly(github: FakeGitHub, *arguments: str) -> int:
        monkeypatch.setattr(FakeGitHub, "add_deploy_key", asked)
        deploykeys.rotate(key=DeployKey.objects.get(), by=people.alice)
        return asked(github, *arguments)

    monkeypatch.setattr(FakeGitHub, "add_deploy_key", slowly)
    assert "rotated meanwhile" in act(alice, "install")
    assert DeployKey.objects.get().provider_key == ""
    assert world.deploy_keys == [""]  # what was installed is of no use
    act(alice, "install")
    assert world.deploy_keys == ["", DeployKey.objects.get().public]


def test_one_that_was_removed_meanwhile_does_not_come_back(alice: Client, people: SimpleNamespace) -> None:
    add(alice)
    key = DeployKey.objects.get()
    DeployKey.objects.all().delete()
    for change in (deploykeys.rotate, deploykeys.forget_host, deploykeys.remove):
        with pytest.raises(ProjectError, match="removed meanwhile"):
            change(key=key, by=people.alice)
    assert not DeployKey.objects.exists()
