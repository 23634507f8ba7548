"""`$BERTH_HOME/.env`: what makes an installation this one. Written at first start, with secrets of its own.

A BERTH_* variable that is set when bin/up runs is saved here, so that bin/down, bin/bench and manage.py mean the same
installation afterwards without being told again.
"""

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from urllib.parse import quote

from cryptography.fernet import Fernet

from deploy.progress import SetupError
from images.build import SERIES

Environment = Mapping[str, str]

PORTS = {
    "BERTH_PORTAL_PORT": "8000",
    "BERTH_ROUTER_PORT": "8080",
    "BERTH_FAKEHUB_PORT": "8010",
    "BERTH_PG_PORTAL_PORT": "5440",
    "BERTH_PG_HOSTED_PORT": "5441",
    "BERTH_PG_LAB_PORT": "5442",
}
SECRETS = (
    "BERTH_SECRET_KEY",
    "BERTH_FERNET_KEYS",
    "BERTH_PG_ADMIN_PASSWORD",
    "BERTH_PG_PORTAL_PASSWORD",
    "BERTH_GITHUB_CLIENT_SECRET",
    "BERTH_OPERATOR_PASSWORD",
    "BERTH_RECOVERY_KEY",
)
# Where a machine's outbound TLS is re-signed, one of these names the bundle that knows the signer; builds need it too.
CA_VARIABLES = ("BERTH_EXTRA_CA_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
NOT_SAVED = {"BERTH_HOME"}


@dataclass(frozen=True)
class ClusterUrl:
    """How a private cluster is reached, and by which variable an existing server takes its place."""

    variable: str
    port: str
    user: str
    password: str
    database: str

    def of(self, values: Environment) -> str:
        password = quote(values[self.password], safe="")
        return f"postgresql://{self.user}:{password}@127.0.0.1:{values[self.port]}/{self.database}"


ADMIN, PORTAL_ROLE = "berth_admin", "berth"
CLUSTER_URLS = {
    "portal": ClusterUrl(
        "BERTH_DATABASE_URL", "BERTH_PG_PORTAL_PORT", PORTAL_ROLE, "BERTH_PG_PORTAL_PASSWORD", "berth"
    ),
    "hosted": ClusterUrl("BERTH_HOSTED_URL", "BERTH_PG_HOSTED_PORT", ADMIN, "BERTH_PG_ADMIN_PASSWORD", "postgres"),
    "lab": ClusterUrl("BERTH_LAB_URL", "BERTH_PG_LAB_PORT", ADMIN, "BERTH_PG_ADMIN_PASSWORD", "postgres"),
}


def env_file(home: Path) -> Path:
    return home / ".env"


def private_clusters(values: Environment) -> list[str]:
    """Names of the clusters that are ours to run; for the others a URL names an existing server."""
    return [name for name, url in CLUSTER_URLS.items() if values[url.variable] == url.of(values)]


def fresh(taken: Collection[IPv4Network], *, ca_file: str = "") -> dict[str, str]:
    """The values of a new installation."""
    made = {"BERTH_INSTALLATION": secrets.token_hex(3), "BERTH_BIND": "127.0.0.1", **PORTS}
    made |= {name: secrets.token_hex(24) for name in SECRETS}
    made["BERTH_SECRET_KEY"] = secrets.token_hex(40)
    made["BERTH_FERNET_KEYS"] = Fernet.generate_key().decode()
    made["BERTH_GITHUB_CLIENT_ID"] = "berth"
    made["BERTH_ODOO_IMAGES"] = "18.0=odoo:18.0,16.0=odoo:16.0"
    made["BERTH_SUBNET"] = str(free_subnet(taken))
    if ca_file:
        made["BERTH_EXTRA_CA_FILE"] = ca_file
    return with_urls(made)


def ca_file(given: Environment) -> str:
    return next((given[name] for name in CA_VARIABLES if given.get(name)), "")


def free_subnet(taken: Collection[IPv4Network]) -> IPv4Network:
    """A /16 of 10.0.0.0/8 that overlaps none of `taken`; a random one, so that two machines in one network differ.

    Raises SetupError.
    """
    candidates = [IPv4Network(f"10.{number}.0.0/16") for number in range(100, 250)]
    free = [candidate for candidate in candidates if not any(candidate.overlaps(other) for other in taken)]
    if not free:
        raise SetupError(
            "No /16 between 10.100.0.0 and 10.249.255.255 is free for the tenants' network.",
            left="Nothing was written.",
            todo="name one that you can spare: BERTH_SUBNET=10.x.0.0/16 bin/up",
        )
    return secrets.choice(free)


def with_urls(values: Environment, old: Environment | None = None) -> dict[str, str]:
    """`values` with a URL for each private cluster. Those that `old` had are made anew: a port may have changed."""
    ours = private_clusters(old) if old else []
    urls = {}
    for name, url in CLUSTER_URLS.items():
        unchanged = old is not None and values.get(url.variable) == old.get(url.variable)
        if url.variable not in values or (name in ours and unchanged):
            urls[url.variable] = url.of(values)
    return dict(values) | urls


def merge(saved: Environment, given: Environment) -> dict[str, str]:
    """The saved values, those of them that the environment gives anew replaced.

    Raises SetupError for what can't change once an installation exists.
    """
    new = {name: value for name, value in given.items() if name.startswith("BERTH_") and name not in NOT_SAVED}
    for name in ("BERTH_INSTALLATION", "BERTH_SUBNET"):
        if name in new and saved.get(name, new[name]) != new[name]:
            raise SetupError(
                f"{name} is {saved[name]} here and can't become {new[name]}: "
                "containers, networks and roles are named by it.",
                left="Nothing was changed.",
                todo=f"unset {name}, or choose another BERTH_HOME for a second installation.",
            )
    return with_urls(dict(saved) | new, saved)


def refuse_defaults(values: Environment, file: Path) -> None:
    """Raises SetupError for a secret that is missing, short or a default, and for an installation id that isn't one."""
    for name in SECRETS:
        value = values.get(name, "")
        if len(value) < 16 or "change" in value.lower():
            raise SetupError(
                f"{name} in {file} is {'empty' if not value else 'too short or a default'}.",
                left="Nothing was started.",
                todo="put at least 16 random characters there, as this prints them: "
                "python3 -c 'import secrets; print(secrets.token_hex(24))'",
            )
    if not re.fullmatch(r"[0-9a-f]{6}", values.get("BERTH_INSTALLATION", "")):
        raise SetupError(
            f"BERTH_INSTALLATION in {file} must be 6 hexadecimal digits; everything on this machine is named by it.",
            left="Nothing was started.",
            todo=f"put the id back, or move {file.parent} away to start a new installation.",
        )


def refuse_nonsense(values: Environment) -> None:
    """Raises SetupError for ports that aren't ports or are used twice, a subnet that is no /16, and a series of Odoo
    that Berth doesn't run: an intermediate one, or one that is too old or too new.
    """
    ports = [values[name] for name in PORTS]
    try:
        wrong = "" if IPv4Network(values["BERTH_SUBNET"]).prefixlen == 16 else "BERTH_SUBNET must be a /16."
    except ValueError as error:
        wrong = f"BERTH_SUBNET can't be read: {error}."
    if not all(port.isdecimal() and 0 < int(port) < 65536 for port in ports):
        wrong = "Ports must be numbers from 1 to 65535."
    elif len(set(ports)) < len(ports):
        wrong = "Each port can be used once only."
    named = {part.partition("=")[0].strip() for part in values["BERTH_ODOO_IMAGES"].split(",") if part.strip()}
    if named - set(SERIES):
        wrong = f"BERTH_ODOO_IMAGES must name series that Berth runs: {', '.join(SERIES)}, such as 18.0=odoo:18.0."
    if wrong:
        told = ", ".join(f"{name}={values[name]}" for name in (*PORTS, "BERTH_SUBNET", "BERTH_ODOO_IMAGES"))
        raise SetupError(f"{wrong} ({told})", left="Nothing was changed.", todo="set the variable to another value.")


def read(file: Path) -> dict[str, str]:
    """KEY=value lines; `#` begins a comment line."""
    pairs = (line.partition("=") for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))
    return {key.strip(): value.strip() for key, separator, value in pairs if separator}


def write(file: Path, values: Environment) -> None:
    """Replace the file in one step, readable by its owner alone."""
    new = file.with_name(".env.new")
    new.touch(mode=0o600)
    new.chmod(0o600)
    new.write_text(text(values))
    new.replace(file)


def text(values: Environment) -> str:
    """What `read` reads."""
    lines = ["# Written by bin/up. Secrets of this installation: keep it private, and keep it with the backups."]
    return "\n".join([*lines, *(f"{name}={value}" for name, value in sorted(values.items()))]) + "\n"


def saved(home: Path) -> dict[str, str]:
    """What the file says; nothing where there is none."""
    return read(env_file(home)) if env_file(home).exists() else {}


def has_demo(values: Environment) -> bool:
    return values.get("BERTH_DEMO", "on").lower() in {"on", "1", "true", "yes"}


def load(home: Path) -> dict[str, str]:
    """The installation's values. Raises SetupError where there is none."""
    file = env_file(home)
    if not file.exists():
        raise SetupError(
            f"There is no installation in {home}.", left="Nothing was changed.", todo=f"BERTH_HOME={home} bin/up"
        )
    return read(file)


def prepare(home: Path, given: Environment, taken: Collection[IPv4Network]) -> dict[str, str]:
    """Make or refresh `$BERTH_HOME/.env` and return its values. Raises SetupError."""
    file = env_file(home)
    if file.exists():
        saved = {"BERTH_RECOVERY_KEY": secrets.token_hex(24)} | read(file)  # installations of before have none
    else:
        saved = fresh(taken, ca_file=ca_file(given))
        saved |= {name: given[name] for name in ("BERTH_INSTALLATION", "BERTH_SUBNET") if name in given}
    values = merge(saved, given)
    refuse_defaults(values, file)
    refuse_nonsense(values)
    if not file.exists() or values != read(file):
        write(file, values)
    file.chmod(0o600)
    return values
