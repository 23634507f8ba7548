import pytest

from projects.git import InvalidName, validate_branch, validate_url

PUBLIC = "140.82.121.4"


def check(url: str, *, resolved: str = PUBLIC, allow_private: bool = False, allow_http: bool = False) -> str:
    return validate_url(
        url, allow_private=allow_private, allow_http=allow_http, resolve=lambda _host, _port: [resolved]
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/owner/name",
        "https://github.com/owner/name.git",
        "https://git.example.com:8443/a/b/c.git",
        "https://[2606:50c0:8000::64]/owner/name",
        "ssh://git@github.com/owner/name.git",
        "ssh://github.com:22/owner/name.git",
        "git@github.com:owner/name.git",
        "github.com:owner/name.git",
    ],
)
def test_it_accepts_public_addresses(url: str) -> None:
    assert check(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "-https://github.com/owner/name",
        "--upload-pack=reboot",
        "/etc/passwd",
        "../name",
        "name",
        "file:///etc/passwd",
        "file://localhost/etc",
        "ext::sh -c reboot",
        "ext::sh%20-c%20reboot",
        "fd::17/x",
        "git://github.com/owner/name",
        "ftp://github.com/owner/name",
        "http://github.com/owner/name",
        "HTTPS+x://github.com/owner/name",
        "https://",
        "https:///owner/name",
        "https://github.com",
        "https://github.com/",
        "https://github.com/owner/name?x=y",
        "https://github.com/owner/name#x",
        "https://github.com:99999/owner/name",
        "https://github.com:port/owner/name",
        "https://-oProxyCommand=reboot/owner/name",
        "ssh://-oProxyCommand=reboot/owner/name",
        "ssh://git@-oProxyCommand=reboot/owner/name",
        "-oProxyCommand=reboot:owner/name",
        "git@-oProxyCommand=reboot:owner/name",
        "-git@github.com:owner/name",
        "git@github.com:-name",
        "git@github.com:/-name",
        "ssh://github.com/-name",
        "ssh://-git@github.com/name",
        "git@:owner/name",
        "git@github.com:",
        "C:\\repository",
        "https://git hub.com/owner/name",
        "https://github.com/owner/na me",
        "https://github.com/owner/name\n",
        "https://github.com\\@evil.example/owner/name",
        "https://gïthub.com/owner/name",
        "https://github.com/" + "x" * 1000,
        "https://[::1",
        "https://[nonsense]/owner/name",
        "https://github..com/owner/name",
    ],
)
def test_it_refuses_what_is_no_public_address(url: str) -> None:
    with pytest.raises(InvalidName, match="can't be used"):
        check(url)


@pytest.mark.parametrize(
    "url",
    ["https://user:secret@github.com/o/n", "https://ghp_secret@github.com/o/n", "ssh://git:secret@github.com/o/n"],
)
def test_it_refuses_credentials_without_repeating_them(url: str) -> None:
    with pytest.raises(InvalidName, match="user or a password") as raised:
        check(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "nonsense",
    ],
)
@pytest.mark.parametrize("url", ["https://git.example.com/o/n", "git@git.example.com:o/n"])
def test_it_refuses_names_that_lead_into_the_private_network(url: str, address: str) -> None:
    with pytest.raises(InvalidName, match="private network"):
        check(url, resolved=address)


def test_one_private_address_among_several_is_enough_to_refuse() -> None:
    with pytest.raises(InvalidName, match="private network"):
        validate_url(
            "https://git.example.com/o/n",
            allow_private=False,
            allow_http=False,
            resolve=lambda _host, _port: [PUBLIC, "10.0.0.1"],
        )


def test_it_refuses_hosts_that_can_not_be_found() -> None:
    with pytest.raises(InvalidName, match="can't be found"):
        validate_url("https://no.example/o/n", allow_private=False, allow_http=False, resolve=lambda _host, _port: [])


def test_the_port_to_resolve_is_the_urls() -> None:
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return [PUBLIC]

    for url in (
        "https://GitHub.com/o/n",
        "https://a.example:8443/o/n",
        "git@b.example:o/n",
        "ssh://c.example:2222/o/n",
    ):
        validate_url(url, allow_private=False, allow_http=False, resolve=resolve)
    assert asked == [("github.com", 443), ("a.example", 8443), ("b.example", 22), ("c.example", 2222)]


def test_an_installation_may_allow_private_addresses_and_http() -> None:
    url = "http://127.0.0.1:8010/demo/addons.git"
    assert check(url, resolved="127.0.0.1", allow_private=True, allow_http=True) == url
    with pytest.raises(InvalidName, match="https://"):
        check(url, resolved="127.0.0.1", allow_private=True)
    with pytest.raises(InvalidName, match="private network"):
        check(url, resolved="127.0.0.1", allow_http=True)


@pytest.mark.parametrize("url", ["ext::sh -c reboot", "file:///etc", "/etc"])
def test_no_setting_allows_commands_or_files(url: str) -> None:
    with pytest.raises(InvalidName):
        check(url, allow_private=True, allow_http=True)


@pytest.mark.parametrize(
    "name",
    [
        "main",
        "18.0",
        "feature/one/two",
        "fix;reboot",
        "$(reboot)",
        "`reboot`",
        "a'b\"c",
        "ünïcode",
        "🚀/emoji",
        "a-b_c.d",
        "x" * 200,
        "%2e%2e",
        "a@b",
        "a{b}",
        "<script>",
    ],
)
def test_it_accepts_what_git_accepts(name: str) -> None:
    assert validate_branch(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-main",
        "--force",
        "@",
        "HEAD",
        "a..b",
        "../main",
        "a b",
        "a\nb",
        "a\0b",
        "a\x7f",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "/a",
        "a/",
        "a//b",
        "a.",
        ".a",
        "a/.b",
        "a.lock",
        "a.lock/b",
        "a@{b",
        "x" * 201,
        "🚀" * 61,
        "a\ud800",
    ],
)
def test_it_refuses_what_git_refuses_or_files_can_not_hold(name: str) -> None:
    with pytest.raises(InvalidName, match="can't be used as a branch name"):
        validate_branch(name)
