"""`$BERTH_HOME/.env`: made once with secrets of its own, changed by what is given, never with a default secret."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from deploy import environment
from deploy.environment import SECRETS, fresh, merge, prepare, private_clusters, read
from deploy.progress import SetupError

NOTHING: list[IPv4Network] = []


def test_it_writes_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    prepare(tmp_path, {}, NOTHING)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / ".env"]


def test_two_installations_share_no_secret_and_no_name() -> None:
    one, other = fresh(NOTHING), fresh(NOTHING)
    for name in (*SECRETS, "BERTH_INSTALLATION"):
        assert one[name] != other[name]


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    first = prepare(tmp_path, {}, NOTHING)
    written = (tmp_path / ".env").stat().st_mtime_ns
    assert prepare(tmp_path, {}, NOTHING) == first
    assert (tmp_path / ".env").stat().st_mtime_ns == written


def test_a_port_that_is_given_is_remembered_and_reaches_the_url(tmp_path: Path) -> None:
    prepare(tmp_path, {}, NOTHING)
    prepare(tmp_path, {"BERTH_PG_LAB_PORT": "6001", "HOME": "/root"}, NOTHING)
    values = prepare(tmp_path, {}, NOTHING)
    assert values["BERTH_PG_LAB_PORT"] == "6001"
    assert values["BERTH_LAB_URL"].endswith("@127.0.0.1:6001/postgres")
    assert "HOME" not in values


def test_a_url_that_is_given_stands_in_for_the_private_cluster(tmp_path: Path) -> None:
    elsewhere = "postgresql://admin:secret@db.example.com/postgres"
    values = prepare(tmp_path, {"BERTH_HOSTED_URL": elsewhere}, NOTHING)
    assert private_clusters(values) == ["portal", "lab"]
    again = prepare(tmp_path, {"BERTH_PG_HOSTED_PORT": "6002"}, NOTHING)
    assert again["BERTH_HOSTED_URL"] == elsewhere


def test_a_password_with_signs_is_quoted_in_the_url() -> None:
    values = environment.with_urls(fresh(NOTHING) | {"BERTH_PG_ADMIN_PASSWORD": "p@ss/word:1234567"}, fresh(NOTHING))
    assert environment.CLUSTER_URLS["lab"].of(values).startswith("postgresql://berth_admin:p%40ss%2Fword%3A1234567@")


def test_the_subnet_overlaps_nothing_that_is_taken() -> None:
    taken = [IPv4Network(f"10.{number}.0.0/16") for number in range(100, 249)]
    assert fresh(taken)["BERTH_SUBNET"] == "10.249.0.0/16"


def test_a_small_network_inside_takes_the_whole_candidate() -> None:
    taken = [IPv4Network(f"10.{number}.77.0/24") for number in range(100, 250) if number != 180]
    assert fresh(taken)["BERTH_SUBNET"] == "10.180.0.0/16"


def test_it_says_what_to_do_when_no_subnet_is_free() -> None:
    with pytest.raises(SetupError, match="BERTH_SUBNET=10.x.0.0/16"):
        fresh([IPv4Network("10.0.0.0/8")])


@pytest.mark.parametrize("value", ["", "short", "please-change-me-please"])
def test_it_refuses_to_start_on_a_default_secret(tmp_path: Path, value: str) -> None:
    environment.write(tmp_path / ".env", fresh(NOTHING) | {"BERTH_SECRET_KEY": value})
    with pytest.raises(SetupError, match="BERTH_SECRET_KEY"):
        prepare(tmp_path, {}, NOTHING)


def test_it_refuses_to_start_where_a_secret_was_deleted(tmp_path: Path) -> None:
    kept = {name: value for name, value in fresh(NOTHING).items() if name != "BERTH_FERNET_KEYS"}
    environment.write(tmp_path / ".env", kept)
    with pytest.raises(SetupError, match="BERTH_FERNET_KEYS in .* is empty"):
        prepare(tmp_path, {}, NOTHING)


@pytest.mark.parametrize("name", ["BERTH_INSTALLATION", "BERTH_SUBNET"])
def test_what_everything_is_named_by_can_be_chosen_once_only(name: str) -> None:
    saved = fresh(NOTHING)
    with pytest.raises(SetupError, match="named by it"):
        merge(saved, {name: "ffffff" if name == "BERTH_INSTALLATION" else "10.99.0.0/16"})


def test_the_installation_can_be_named_at_first_start(tmp_path: Path) -> None:
    values = prepare(tmp_path, {"BERTH_INSTALLATION": "abc123", "BERTH_SUBNET": "10.99.0.0/16"}, NOTHING)
    assert (values["BERTH_INSTALLATION"], values["BERTH_SUBNET"]) == ("abc123", "10.99.0.0/16")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"BERTH_PORTAL_PORT": "http"}, "from 1 to 65535"),
        ({"BERTH_PORTAL_PORT": "70000"}, "from 1 to 65535"),
        ({"BERTH_PORTAL_PORT": "8080"}, "once only"),
        ({"BERTH_SUBNET": "10.99.0.0/24"}, "must be a /16"),
        ({"BERTH_SUBNET": "10.99.1.0/16"}, "can't be read"),
        ({"BERTH_ODOO_IMAGES": "18.0=odoo:18.0,saas-18.3=odoo:18.3"}, "must name series that Berth runs: 16.0, 17.0"),
        ({"BERTH_INSTALLATION": "x; rm -rf"}, "6 hexadecimal digits"),
    ],
)
def test_nonsense_is_refused_and_not_written(tmp_path: Path, given: dict[str, str], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        prepare(tmp_path, given, NOTHING)
    assert not (tmp_path / ".env").exists()


def test_builds_trust_the_signer_that_this_machine_trusts(tmp_path: Path) -> None:
    values = prepare(tmp_path, {"SSL_CERT_FILE": "/etc/ssl/extra.pem"}, NOTHING)
    assert values["BERTH_EXTRA_CA_FILE"] == "/etc/ssl/extra.pem"


def test_a_value_may_hold_an_equals_sign_and_a_comment_is_none(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# a comment=1\nKEYS=abc=\n\nPORT = 1 \n")
    assert read(tmp_path / ".env") == {"KEYS": "abc=", "PORT": "1"}


def test_where_nothing_was_set_up_it_says_how() -> None:
    with pytest.raises(SetupError, match="bin/up"):
        environment.load(Path("/nonexistent"))


def test_an_installation_of_before_gets_a_recovery_key_once(tmp_path: Path) -> None:
    prepare(tmp_path, {}, NOTHING)
    file = tmp_path / ".env"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if "RECOVERY" not in line))
    key = prepare(tmp_path, {}, NOTHING)["BERTH_RECOVERY_KEY"]
    assert len(key) >= 32
    assert prepare(tmp_path, {}, NOTHING)["BERTH_RECOVERY_KEY"] == read(file)["BERTH_RECOVERY_KEY"] == key
