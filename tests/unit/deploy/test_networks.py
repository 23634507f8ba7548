"""Which networks tenants get, and what of this machine they may reach from there."""

from deploy.environment import fresh
from deploy.networks import bridges

VALUES = fresh([]) | {"BERTH_INSTALLATION": "abc123", "BERTH_SUBNET": "10.213.0.0/16"}


def test_names_of_interfaces_fit_into_what_linux_allows() -> None:
    assert {bridge.name for bridge in bridges(VALUES).values()} == {"brabc123p", "brabc123l"}


def test_each_network_leads_to_its_own_postgresql_and_to_the_catcher_of_mails_alone() -> None:
    wanted = bridges(VALUES)
    assert (wanted["berth-abc123-prod"].gateway, wanted["berth-abc123-prod"].host_ports) == ("10.213.0.1", (5441,))
    assert (wanted["berth-abc123-lab"].gateway, wanted["berth-abc123-lab"].host_ports) == ("10.213.128.1", (5442, 1025))


def test_mail_leaves_from_production_alone_and_never_by_port_25() -> None:
    wanted = bridges(VALUES)
    assert wanted["berth-abc123-prod"].closed_ports == (25,)
    assert wanted["berth-abc123-lab"].closed_ports == (25, 465, 587, 2465, 2525, 2587)


def test_an_existing_server_is_reached_at_its_own_port() -> None:
    values = VALUES | {"BERTH_HOSTED_URL": "postgresql://admin:x@127.0.0.1:5999/postgres"}
    assert bridges(values)["berth-abc123-prod"].host_ports == (5999,)
