from hosting.engines.firewall import INTERNAL, SMTP, SUBMISSION, Bridge, chains, name_servers, rules

PROD = Bridge("bra1b2c3p", "10.213.0.0/17", "10.213.0.1", host_ports=(5441,))
LAB = Bridge("bra1b2c3l", "10.213.128.0/17", "10.213.128.1", (5442, 1025), closed_ports=(SMTP, *SUBMISSION))


def lines(chain: str) -> list[str]:
    wanted = rules("a1b2c3", [PROD, LAB], ["10.255.255.53"])
    return [" ".join(rule).removeprefix(f"-A {chain} ") for rule in wanted if rule[1] == chain]


def test_a_container_reaches_its_database_and_the_name_server_of_the_host_and_nothing_else() -> None:
    assert lines("BERTH-a1b2c3-IN") == [
        "! -s 10.213.0.0/17 -i bra1b2c3p -j DROP",
        "-i bra1b2c3p -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-d 10.213.0.1/32 -i bra1b2c3p -p tcp -m tcp --dport 5441 -j ACCEPT",
        "-d 10.255.255.53/32 -i bra1b2c3p -p udp -m udp --dport 53 -j ACCEPT",
        "-d 10.255.255.53/32 -i bra1b2c3p -p tcp -m tcp --dport 53 -j ACCEPT",
        "-i bra1b2c3p -j DROP",
        "! -s 10.213.128.0/17 -i bra1b2c3l -j DROP",
        "-i bra1b2c3l -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-d 10.213.128.1/32 -i bra1b2c3l -p tcp -m tcp --dport 5442 -j ACCEPT",
        "-d 10.213.128.1/32 -i bra1b2c3l -p tcp -m tcp --dport 1025 -j ACCEPT",
        "-d 10.255.255.53/32 -i bra1b2c3l -p udp -m udp --dport 53 -j ACCEPT",
        "-d 10.255.255.53/32 -i bra1b2c3l -p tcp -m tcp --dport 53 -j ACCEPT",
        "-i bra1b2c3l -j DROP",
    ]


def test_outside_a_container_reaches_no_internal_network_and_no_mail_server() -> None:
    reject = "-j REJECT --reject-with icmp-admin-prohibited"
    production = [line for line in lines("BERTH-a1b2c3-FWD") if "bra1b2c3p" in line]

    assert production == [
        "! -s 10.213.0.0/17 -i bra1b2c3p -j DROP",
        "-i bra1b2c3p -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
        "-o bra1b2c3p -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
        f"-o bra1b2c3p {reject}",
        "-d 10.255.255.53/32 -i bra1b2c3p -p udp -m udp --dport 53 -j RETURN",
        "-d 10.255.255.53/32 -i bra1b2c3p -p tcp -m tcp --dport 53 -j RETURN",
        *(f"-d {network} -i bra1b2c3p {reject}" for network in INTERNAL),
        f"-i bra1b2c3p -p tcp -m multiport --dports 25 {reject}",
    ]


def test_only_production_may_hand_mail_to_its_provider() -> None:
    reject = "-j REJECT --reject-with icmp-admin-prohibited"

    assert lines("BERTH-a1b2c3-FWD")[-1] == f"-i bra1b2c3l -p tcp -m multiport --dports 25,465,587 {reject}"


def test_the_metadata_addresses_of_the_clouds_are_internal() -> None:
    assert {"169.254.0.0/16", "168.63.129.16/32", "100.64.0.0/10", "192.0.0.0/24"} <= set(INTERNAL)


def test_the_names_of_the_chains_fit_into_the_kernels_28_letters() -> None:
    assert all(len(chain) <= 28 for chain in chains("a1b2c3"))


def test_it_reads_the_name_servers_that_containers_can_use() -> None:
    text = """\
# nameserver 192.0.2.1
search example.com
nameserver 127.0.0.53
nameserver 10.255.255.53
nameserver fd00::1
nameserver
nameserver 198.51.100.7
nameserver 10.255.255.53
options edns0
"""

    assert name_servers(text) == ("10.255.255.53", "198.51.100.7")
