from dataclasses import replace

from hosting.engines.docker import ContainerSpec, Limits, Mount, create_config
from hosting.engines.docker.specs import FINGERPRINT_LABEL

MIB = 1024 * 1024
SPEC = ContainerSpec(
    name="berth-a1b2c3-i42-g7-web",
    image_id="sha256:0123",
    argv=("odoo", "-c", "/etc/odoo/odoo.conf"),
    env={"PGUSER": "ba1b2c3_i42", "ODOO_STAGE": "production"},
    network="berth-a1b2c3-prod",
    address="10.213.0.17",
    mounts=(Mount("/srv/i42/odoo.conf", "/etc/odoo/odoo.conf"), Mount("/srv/i42/data", "/var/lib/odoo", False)),
    memory_bytes=1024 * MIB,
    cpus=1.5,
    pids=512,
    labels={"berth.instance": "i42"},
    stop_timeout_s=1230,
)


def fingerprint(spec: ContainerSpec) -> str:
    return str(create_config(spec, installation="a1b2c3")["Labels"][FINGERPRINT_LABEL])


def test_it_says_all_of_a_container_in_the_words_of_the_engine() -> None:
    config = create_config(SPEC, installation="a1b2c3")

    assert config == {
        "Image": "sha256:0123",
        "Entrypoint": ["odoo", "-c", "/etc/odoo/odoo.conf"],
        "Cmd": [],
        "Env": ["ODOO_STAGE=production", "PGUSER=ba1b2c3_i42"],
        "User": "odoo",
        "StopTimeout": 1230,
        "OpenStdin": False,
        "StdinOnce": False,
        "Labels": {
            "berth.instance": "i42",
            "berth.installation": "a1b2c3",
            "berth.spec": fingerprint(SPEC),
        },
        "HostConfig": {
            "NetworkMode": "berth-a1b2c3-prod",
            "Mounts": [
                {"Type": "bind", "Source": "/srv/i42/odoo.conf", "Target": "/etc/odoo/odoo.conf", "ReadOnly": True},
                {"Type": "bind", "Source": "/srv/i42/data", "Target": "/var/lib/odoo", "ReadOnly": False},
            ],
            "Init": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "CgroupnsMode": "private",
            "IpcMode": "private",
            "PidsLimit": 512,
            "OomScoreAdj": 500,
            "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
            "RestartPolicy": {"Name": "unless-stopped"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
            "Memory": 1024 * MIB,
            "MemorySwap": 1024 * MIB,
            "NanoCpus": 1_500_000_000,
            "CpuShares": 1024,
        },
        "NetworkingConfig": {
            "EndpointsConfig": {"berth-a1b2c3-prod": {"IPAMConfig": {"IPv4Address": "10.213.0.17"}}},
        },
    }


def test_a_container_without_network_gets_none() -> None:
    config = create_config(replace(SPEC, network=None, address=None), installation="a1b2c3")

    assert config["HostConfig"]["NetworkMode"] == "none"
    assert "NetworkingConfig" not in config


def test_standard_input_ends_with_its_writer() -> None:
    config = create_config(SPEC, installation="a1b2c3", stdin=True)

    assert (config["OpenStdin"], config["StdinOnce"]) == (True, True)


def test_the_fingerprint_is_a_matter_of_all_that_needs_a_new_container() -> None:
    assert fingerprint(SPEC) == fingerprint(replace(SPEC, env=dict(sorted(SPEC.env.items()))))
    for other in (
        replace(SPEC, image_id="sha256:4567"),
        replace(SPEC, argv=("odoo",)),
        replace(SPEC, address="10.213.0.18"),
        replace(SPEC, labels={"berth.instance": "i43"}),
        replace(SPEC, pids=100),
        replace(SPEC, mounts=SPEC.mounts[:1]),
    ):
        assert fingerprint(other) != fingerprint(SPEC)


def test_the_fingerprint_is_no_matter_of_what_changes_in_place() -> None:
    assert fingerprint(replace(SPEC, memory_bytes=2048 * MIB, cpus=4, later=True)) == fingerprint(SPEC)


def test_limits_always_go_together_and_leave_no_swap() -> None:
    assert Limits(768 * MIB, 0.75).body() == {
        "Memory": 768 * MIB,
        "MemorySwap": 768 * MIB,
        "NanoCpus": 750_000_000,
    }


def test_what_comes_later_weighs_less_than_what_the_engine_gives_others() -> None:
    weights = [
        create_config(spec, installation="a1b2c3")["HostConfig"]["CpuShares"]
        for spec in (SPEC, replace(SPEC, later=True))
    ]
    assert weights[1] < weights[0]
