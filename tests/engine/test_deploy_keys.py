"""Private submodules by deploy keys, over real SSH to the GitHub stand-in: what a key opens, and what it does not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from projects.git import GitError, Mirror, SshKey, SubmoduleError, UrlPolicy, host_and_path, ssh_place
from projects.keypairs import new_pair
from projects.providers.github import GitHub
from tests.fakehub.git import Submodule
from tests.fakehub.testing import FakeHub

pytestmark = pytest.mark.engine
LOOPBACK = UrlPolicy(allow_private=True, allow_http=True)
S = 30


@dataclass
class Ring:
    """Keys by place, and what was noted of their use."""

    keys: dict[str, SshKey] = field(default_factory=dict)
    urls: list[str] = field(default_factory=list)
    noted: list[tuple[str, str]] = field(default_factory=list)  # address, error

    def find(self, url: str) -> SshKey | None:
        return self.keys.get(ssh_place(url)) if url.startswith("ssh://") else None

    def ssh_url(self, url: str) -> str | None:
        return next((each for each in self.urls if host_and_path(each) == host_and_path(url)), None)

    def note(self, url: str, *, known_hosts: str, error: str) -> None:
        self.noted.append((url, error))
        key = self.keys[ssh_place(url)]
        self.keys[ssh_place(url)] = SshKey(key.private, key.known_hosts or known_hosts)

    def add(self, url: str, private: str, known_hosts: str = "") -> None:
        self.keys[ssh_place(url)] = SshKey(private, known_hosts)
        self.urls.append(url)


@dataclass
class Desk:
    hub: FakeHub
    folder: Path
    ring: Ring = field(default_factory=Ring)
    project: str = "p1"

    def url(self, name: str) -> str:
        return f"ssh://git@127.0.0.1:{self.hub.core.ssh_port}/{name}.git"

    def private(self, name: str, files: dict[str, str | Submodule] | None = None) -> str:
        self.hub.create_repo(name, private=True)
        return self.hub.commit(name, "main", files or {"secret.py": "x = 1"})

    def with_key(self, name: str, kind: str = "ed25519") -> None:
        """A key for the repository, installed by GitHub's API."""
        private, public = new_pair(kind, "berth-test")
        GitHub(self.hub.token(name.split("/")[0]), self.hub.api_url).add_deploy_key(name, "Berth", public)
        self.ring.add(self.url(name), private)

    def main(self, url: str, sha: str) -> str:
        """Alice's own repository with one submodule; its commit."""
        if not self.hub.core.repository("alice", "shop"):
            self.hub.create_repo("alice/shop")
        modules = f'[submodule "lib"]\n\tpath = lib\n\turl = {url}\n'
        return self.hub.commit("alice/shop", "main", {".gitmodules": modules, "lib": Submodule(sha)})

    @property
    def mirror(self) -> Mirror:
        return Mirror(self.folder / "git" / f"{self.project}.git", LOOPBACK, keys=self.ring)

    @property
    def tree(self) -> Path:
        return self.folder / "tree"

    def checkout(self, sha: str, said: list[str] | None = None) -> tuple[str, ...]:
        output = said.append if said is not None else lambda _text: None
        self.mirror.fetch(f"{self.hub.url}/alice/shop.git", timeout=S)
        clone = f"{self.hub.url}/alice/shop.git"
        return self.mirror.checkout(sha, self.tree, url=clone, timeout=S, output=output).submodule_paths

    def key_files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with FakeHub.start(tmp_path / "hub") as hub:
        (tmp_path / "desk").mkdir()
        yield Desk(hub, tmp_path / "desk")


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_private_submodule_is_fetched_with_its_key_which_is_on_disk_no_longer(desk: Desk, kind: str) -> None:
    sha = desk.private("alice/lib")
    desk.with_key("alice/lib", kind)
    said: list[str] = []
    assert desk.checkout(desk.main(desk.url("alice/lib"), sha), said) == ("lib",)
    assert (desk.tree / "lib" / "secret.py").read_text() == "x = 1"
    assert desk.ring.noted == [(desk.url("alice/lib"), "")]
    assert desk.key_files() == []
    assert "PRIVATE KEY" not in "".join(said)


def test_a_key_opens_nothing_but_its_own_repository(desk: Desk) -> None:
    lib, other = desk.private("alice/lib"), desk.private("alice/other")
    desk.with_key("alice/lib")
    assert desk.checkout(desk.main(desk.url("alice/lib"), lib)) == ("lib",)
    with pytest.raises(SubmoduleError, match="There is no deploy key for this address") as raised:
        desk.checkout(desk.main(desk.url("alice/other"), other))
    assert raised.value.wants_key
    # and the server doesn't take it there either
    desk.ring.add(desk.url("alice/other"), desk.ring.keys[ssh_place(desk.url("alice/lib"))].private)
    with pytest.raises(SubmoduleError, match="no such repository, or it is private"):
        desk.checkout(desk.main(desk.url("alice/other"), other))


def test_another_project_that_knows_address_and_commit_gets_nothing_without_a_key(desk: Desk) -> None:
    sha = desk.private("alice/lib")
    desk.with_key("alice/lib")
    commit = desk.main(desk.url("alice/lib"), sha)
    desk.checkout(commit)
    stranger = Desk(desk.hub, desk.folder, project="p2")
    with pytest.raises(SubmoduleError, match="no deploy key"):
        stranger.checkout(commit)
    assert not (stranger.tree / "lib" / "secret.py").exists()


def test_a_key_that_is_not_installed_is_refused_with_what_to_do(desk: Desk) -> None:
    sha = desk.private("alice/lib")
    desk.ring.add(desk.url("alice/lib"), new_pair("ed25519", "")[0])
    with pytest.raises(SubmoduleError, match="Install its public half there") as raised:
        desk.checkout(desk.main(desk.url("alice/lib"), sha))
    assert raised.value.wants_key
    assert "refused the SSH key" in desk.ring.noted[0][1]
    assert desk.key_files() == []


def test_the_servers_key_is_pinned_and_another_one_is_not_trusted(desk: Desk) -> None:
    first, second = desk.private("alice/lib"), desk.hub.commit("alice/lib", "main", {"later.py": ""})
    desk.with_key("alice/lib")
    desk.checkout(desk.main(desk.url("alice/lib"), first))
    place = ssh_place(desk.url("alice/lib"))
    pinned = desk.ring.keys[place].known_hosts
    assert f"[127.0.0.1]:{desk.hub.core.ssh_port} ssh-ed25519 " in pinned
    _private, public = new_pair("ed25519", "")
    wrong = f"[127.0.0.1]:{desk.hub.core.ssh_port} {public}\n"
    desk.ring.keys[place] = SshKey(desk.ring.keys[place].private, wrong)
    with pytest.raises(SubmoduleError, match="another host key than it had before"):
        desk.checkout(desk.main(desk.url("alice/lib"), second))
    assert desk.ring.keys[place].known_hosts == wrong


def test_nested_private_submodules_each_with_a_key(desk: Desk) -> None:
    inner = desk.private("alice/inner")
    modules = '[submodule "inner"]\n\tpath = inner\n\turl = ../inner.git\n'
    outer = desk.private("alice/outer", {".gitmodules": modules, "inner": Submodule(inner)})
    desk.with_key("alice/outer")
    desk.with_key("alice/inner")
    assert desk.checkout(desk.main(desk.url("alice/outer"), outer)) == ("lib", "lib/inner")
    assert (desk.tree / "lib" / "inner" / "secret.py").is_file()


def test_a_relative_address_beside_a_repository_with_https_goes_by_the_key(desk: Desk) -> None:
    sha = desk.private("alice/lib")
    desk.with_key("alice/lib")
    assert desk.checkout(desk.main("../lib.git", sha)) == ("lib",)


def test_a_public_repository_with_https_needs_no_key(desk: Desk) -> None:
    desk.hub.create_repo("alice/open", {"a.py": "x"})
    sha = desk.hub.head("alice/open") or ""
    with pytest.raises(SubmoduleError, match="use the https:// address if the repository is public"):
        desk.checkout(desk.main(desk.url("alice/open"), sha))
    assert desk.checkout(desk.main(f"{desk.hub.url}/alice/open.git", sha)) == ("lib",)
    assert desk.ring.noted == []


def test_a_key_that_a_killed_fetch_left_on_disk_is_gone_after_the_next(desk: Desk) -> None:
    sha = desk.private("alice/lib")
    desk.with_key("alice/lib")
    below = desk.mirror.submodule(desk.url("alice/lib"))
    left = below.path.with_name(f"{below.path.name}.ssh")
    left.mkdir(parents=True)
    (left / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
    desk.checkout(desk.main(desk.url("alice/lib"), sha))
    assert desk.key_files() == []


@pytest.mark.parametrize(
    "url",
    [
        "ssh://-oProxyCommand=touch${IFS}/tmp/berth-owned/x",
        "ssh://git@-oProxyCommand=x/alice/lib.git",
        "-oProxyCommand=x@127.0.0.1:lib",
        "ext::sh -c touch% /tmp/berth-owned",
        "file:///etc",
        "/etc/passwd",
        "git@127.0.0.1:-upload-pack/x",
    ],
)
def test_no_address_of_a_submodule_is_taken_for_options_programs_or_paths(desk: Desk, url: str) -> None:
    with pytest.raises(GitError, match="can't be used"):
        desk.checkout(desk.main(url, "1" * 40))
    assert not Path("/tmp/berth-owned").exists()


def test_an_address_in_the_private_network_is_refused_with_a_key_too(desk: Desk) -> None:
    sha = desk.private("alice/lib")
    desk.with_key("alice/lib")
    strict = Mirror(desk.mirror.path, UrlPolicy(allow_http=True), keys=desk.ring)
    with pytest.raises(GitError, match="inside a private network"):
        strict.submodule(desk.url("alice/lib")).fetch_commit(desk.url("alice/lib"), sha, timeout=S)
    assert desk.ring.noted == []
