"""Custom domains: who may have one, how it is proven, where it leads, and what becomes of it."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from hosting import aliases, instances, routing
from hosting.models import Alias, Certificate, Instance, Stage
from portal import alarms, clock
from portal.models import AuditEntry
from portal.stories import ProjectError
from projects import domaincheck, domains, nameservers
from projects.models import Branch, Domain, Project
from projects.nameservers import Found, NameServerError
from tests import cast
from tests.unit.fakes import World
from tests.unit.fakes.router import FakeRouter


class FakeDNS:
    """What name servers would say."""

    def __init__(self) -> None:
        self.cnames: dict[str, tuple[str, ...]] = {}
        self.texts: dict[str, tuple[str, ...]] = {}
        self.addresses_of: dict[str, tuple[str, ...]] = {}
        self.down = False

    def look_up(self, name: str, *, text_name: str, server: str = "") -> Found:
        addresses = self.addresses(name)
        return Found(self.cnames.get(name, ()), self.texts.get(text_name, ()), addresses)

    def addresses(self, name: str, *, server: str = "") -> tuple[str, ...]:
        if self.down:
            raise NameServerError(f"No name server could say what {name} is: timed out")
        return self.addresses_of.get(name, ())


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> FakeDNS:
    fake = FakeDNS()
    monkeypatch.setattr(nameservers, "look_up", fake.look_up)
    monkeypatch.setattr(nameservers, "addresses", fake.addresses)
    return fake


@pytest.fixture
def shop(world: World, people: SimpleNamespace) -> Branch:
    """Production of a project, which serves."""
    project = cast.project("shop", people)
    served = cast.instance(Stage.PRODUCTION, "shop.localhost")
    return cast.branch(project, "main", Stage.PRODUCTION, instance=served)


@pytest.fixture
def rival(people: SimpleNamespace) -> Branch:
    project = cast.project("rival", people)
    return cast.branch(project, "main", Stage.PRODUCTION, instance=cast.instance(Stage.PRODUCTION, "rival.localhost"))


def add(branch: Branch, people: SimpleNamespace, name: str = "www.example.com") -> Domain:
    return domains.add(branch=branch, name=name, by=people.alice, manages=True)


def served(branch: Branch) -> Instance:
    assert branch.instance is not None
    return branch.instance


def told(world: World) -> dict[str, str]:
    """The router's hosts, after the reconciler compared it with the rows."""
    routing.mend(FakeRouter(world).live_state())
    return world.hosts


def test_a_claim_alone_routes_nothing(shop: Branch, people: SimpleNamespace, dns: FakeDNS, world: World) -> None:
    domain = add(shop, people, "WWW.Example.com.")
    domaincheck.check(domain)

    domain.refresh_from_db()
    assert (domain.name, domain.proven_at, domain.found["here"]) == ("www.example.com", None, False)
    assert not Alias.objects.exists()


@pytest.mark.parametrize("proof", ["cname", "txt"])
def test_what_dns_says_of_it_proves_it_and_leads_it_to_what_serves(
    proof: str, shop: Branch, people: SimpleNamespace, dns: FakeDNS, world: World
) -> None:
    domain = add(shop, people)
    if proof == "cname":
        dns.cnames["www.example.com"] = ("lb.example.com", "shop.localhost")
    else:
        dns.texts["_berth.www.example.com"] = ("v=spf1 -all", domains.text(domain))

    domaincheck.check(domain)

    domain.refresh_from_db()
    assert domain.proof == proof
    assert domain.found["here"] == (proof == "cname")
    assert told(world)["www.example.com"] == served(shop).name
    assert AuditEntry.objects.get(verb="prove domain").object == "www.example.com"


def test_a_token_of_another_claim_proves_nothing(
    shop: Branch, rival: Branch, people: SimpleNamespace, dns: FakeDNS
) -> None:
    ours, theirs = add(shop, people), add(rival, people)
    dns.texts["_berth.www.example.com"] = (domains.text(theirs),)

    domaincheck.check(ours)

    ours.refresh_from_db()
    assert ours.proven_at is None


def test_an_address_that_is_the_same_as_ours_proves_nothing(
    shop: Branch, people: SimpleNamespace, dns: FakeDNS
) -> None:
    """Whoever points a name at this machine has not said for which project."""
    dns.addresses_of = {"www.example.com": ("192.0.2.1",), "shop.localhost": ("192.0.2.1",)}
    domain = add(shop, people)

    domaincheck.check(domain)

    domain.refresh_from_db()
    assert (domain.proven_at, domain.found["here"]) == (None, True)


def test_a_second_tenant_can_not_take_a_proven_domain(
    shop: Branch, rival: Branch, people: SimpleNamespace, dns: FakeDNS
) -> None:
    cast.domain(shop, "www.example.com", proven=True)

    with pytest.raises(ProjectError, match="belongs to another project"):
        add(rival, people)

    assert not rival.domains.exists()


def test_a_claim_that_nobody_proved_keeps_nobody_out_and_the_first_proof_wins(
    shop: Branch, rival: Branch, people: SimpleNamespace, dns: FakeDNS
) -> None:
    squatted, ours = add(rival, people), add(shop, people)
    dns.cnames["www.example.com"] = ("shop.localhost",)
    domaincheck.check(ours)
    dns.texts["_berth.www.example.com"] = (domains.text(squatted),)

    domaincheck.check(squatted)

    squatted.refresh_from_db()
    assert squatted.proven_at is None
    assert "belongs to another project" in squatted.found["error"]
    assert Alias.objects.get().instance == shop.instance


def test_it_belongs_to_one_branch_of_its_project(shop: Branch, people: SimpleNamespace, dns: FakeDNS) -> None:
    add(shop, people)

    with pytest.raises(ProjectError, match="a domain of main already"):
        add(shop, people)
    with pytest.raises(ProjectError, match="belongs to the branch main"):
        add(cast.branch(shop.project, "fix"), people)


def test_name_servers_that_do_not_answer_are_said_and_asked_again(
    shop: Branch, people: SimpleNamespace, dns: FakeDNS
) -> None:
    dns.down = True
    domain = add(shop, people)
    domaincheck.check(domain)
    domain.refresh_from_db()
    assert "No name server could say" in domain.found["error"]

    dns.down, dns.cnames["www.example.com"] = False, ("shop.localhost",)
    with clock.moved(timedelta(seconds=40)):
        domaincheck.look_after()

    domain.refresh_from_db()
    assert domain.proven_at
    assert "error" not in domain.found


def test_a_claim_that_nobody_proves_is_not_asked_for_for_ever(
    shop: Branch, people: SimpleNamespace, dns: FakeDNS
) -> None:
    domain = add(shop, people)
    with clock.moved(timedelta(days=15)):
        domaincheck.look_after()

    domain.refresh_from_db()
    assert domain.checked_at
    assert domain.check_at is None


def test_it_follows_its_branch_to_another_database(shop: Branch, people: SimpleNamespace, world: World) -> None:
    cast.domain(shop, "www.example.com", proven=True)
    other = cast.instance(Stage.PRODUCTION, "new.localhost")
    Branch.objects.filter(pk=shop.pk).update(instance=other)

    domaincheck.look_after()

    assert told(world)["www.example.com"] == other.name


def test_it_is_parked_where_its_branch_leaves_production_and_comes_back_with_it(
    shop: Branch, people: SimpleNamespace, world: World
) -> None:
    cast.domain(shop, "www.example.com", proven=True)

    domains.park(shop)
    assert "www.example.com" not in told(world)
    domaincheck.look_after()
    assert "www.example.com" not in told(world)

    domains.unpark(shop)
    assert told(world)["www.example.com"] == served(shop).name


def test_a_parked_one_is_taken_over_by_another_branch_without_another_proof(
    shop: Branch, people: SimpleNamespace, world: World
) -> None:
    cast.domain(shop, "www.example.com", proven=True)
    domains.park(shop)
    other = cast.branch(shop.project, "next", instance=cast.instance(Stage.DEVELOPMENT, "next.localhost"))

    moved = add(other, people)
    domaincheck.look_after()

    assert (moved.branch, moved.parked) == (other, False)
    assert told(world)["www.example.com"] == served(other).name


def test_nobody_but_an_admin_moves_what_was_productions(shop: Branch, people: SimpleNamespace) -> None:
    cast.domain(shop, "www.example.com", proven=True)
    domains.park(shop)

    with pytest.raises(ProjectError, match="was a domain of main"):
        domains.add(branch=cast.branch(shop.project, "fix"), name="www.example.com", by=people.dev, manages=False)


def test_removed_it_leads_nowhere_and_is_free(
    shop: Branch, rival: Branch, people: SimpleNamespace, dns: FakeDNS, world: World
) -> None:
    domain = cast.domain(shop, "www.example.com", proven=True)
    routing.apply(served(shop))
    assert world.hosts["www.example.com"] == served(shop).name

    domains.remove(domain=domain, by=people.alice)
    aliases.tell("www.example.com", shop.instance_id)

    assert "www.example.com" not in world.hosts
    assert not world.marks["shop.localhost"]
    assert world.hosts["shop.localhost"] == served(shop).name
    assert AuditEntry.objects.get(verb="remove domain").before == {"branch": "main", "proven": True}
    add(rival, people)


def test_a_project_that_is_deleted_takes_its_domains_along(shop: Branch, people: SimpleNamespace, world: World) -> None:
    cast.domain(shop, "www.example.com", proven=True)
    Project.objects.update(removed_at=clock.now())

    domaincheck.look_after()

    assert not Domain.objects.exists()
    assert not Alias.objects.exists()
    assert "www.example.com" not in told(world)


def test_the_router_forgets_the_domains_of_a_removed_database(shop: Branch, world: World) -> None:
    cast.domain(shop, "www.example.com", proven=True)
    routing.apply(served(shop))

    instances.remove(served(shop))

    assert "www.example.com" not in world.hosts


def test_a_project_has_only_so_many(
    shop: Branch, people: SimpleNamespace, dns: FakeDNS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domains, "MOST", 1)
    add(shop, people)

    with pytest.raises(ProjectError, match="has 1 custom domains already"):
        add(shop, people, "shop.example.com")


def test_a_certificate_that_nobody_renews_is_an_alarm_of_its_project(
    shop: Branch, people: SimpleNamespace, world: World
) -> None:
    domain = cast.domain(shop, "www.example.com", proven=True)
    ends = clock.now() + timedelta(days=6)
    assert domain.alias is not None
    Certificate.objects.create(alias=domain.alias, chain="x", not_after=ends, error="No valid address.")

    domaincheck.look_after()
    alarm = alarms.going_on().get()
    assert (alarm.title, alarm.project_id) == ("The certificate of www.example.com ends soon", shop.project_id)
    assert "No valid address." in alarm.detail

    Certificate.objects.update(not_after=ends + timedelta(days=90))
    domaincheck.look_after()
    assert not alarms.going_on().exists()
