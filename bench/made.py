"""bin/bench made: a customer with much data, for the benchmarks of backups, copies and restores.

In the demo's production: about 1 GB of rows, and 0.5 GB of files with their attachments, half of them incompressible as
pictures and PDFs are. The same at each call; what is there already is not made again. They stay until the demo goes.
"""

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

from deploy.bench import Figure
from tests.installation import Installation

MIB = 1024 * 1024
TABLES = ("made_order", "made_line", "made_move", "made_message")
ROWS = 600_000  # in each; with its index, such a table takes some 250 MB
FILES, FILE_BYTES = 512, (16 * 1024, 2 * MIB)  # their sizes lie between these, evenly
ODOO = 101
WORDS = ("order", "invoice", "delivery", "customer", "Brussels", "payment", "received", "on", "the", "of", "and", "to")

CREATE = """
CREATE TABLE {table} AS SELECT
    id, mod(id * 7919, 50000) AS partner_id, timestamp '2020-01-01' + id * interval '4 minutes' AS create_date,
    md5(id::text) AS reference, mod(id, 100000) / 100.0 AS amount, 'done' AS state,
    'Order ' || id || ' of customer ' || mod(id * 7919, 50000) || ', as agreed; to be delivered within the week. '
        || md5((id + 1)::text) || md5((id + 2)::text) || repeat(' and so on', 8) AS note
FROM generate_series(1::bigint, {rows}) AS id
"""
CHANGE = "UPDATE {table} SET state = 'changed', note = md5(note) || substr(note, 33) WHERE id > {after}"


def main() -> dict[str, Figure]:
    with Installation(Path(os.environ["BERTH_HOME"])) as installation:
        fill(installation)
        return sizes(installation)


def fill(installation: Installation) -> None:
    """Make what is missing."""
    role = database(installation)
    for table in TABLES:
        whole = "SELECT FROM pg_tables WHERE tablename = %s AND tableowner = %s"
        if not installation.in_production(whole, table, role):
            installation.in_production(f"DROP TABLE IF EXISTS {table}")
            installation.in_production(CREATE.format(table=table, rows=ROWS))
            installation.in_production(f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
            installation.in_production(f"CREATE INDEX ON {table} (partner_id)")
            installation.in_production(f"ALTER TABLE {table} OWNER TO {role}")  # now it is whole
    _attach(installation)


def change(installation: Installation, *, percent: float = 1.0) -> int:
    """Change the newest rows of each table, as customers do. Returns how many."""
    after = int(ROWS * (1 - percent / 100))
    for table in TABLES:
        installation.in_production(CHANGE.format(table=table, after=after))
    return (ROWS - after) * len(TABLES)


def sizes(installation: Installation) -> dict[str, Figure]:
    (row,) = installation.in_production("SELECT pg_database_size(current_database()) AS size")
    files = sum(file.stat().st_size for file in filestore(installation).rglob("*") if file.is_file())
    return {"database_mb": row["size"] // MIB, "files_mb": files // MIB}


def database(installation: Installation) -> str:
    """The name of production's database, which is its role's too."""
    (row,) = installation.in_production("SELECT current_database() AS name")
    return str(row["name"])


def filestore(installation: Installation) -> Path:
    name = database(installation)
    return installation.home / "instances" / name.partition("_")[2] / "data" / "filestore" / name


def _attach(installation: Installation) -> None:
    """Files by their SHA-1, each with the row that names it, as Odoo keeps them."""
    there = {row["store_fname"] for row in installation.in_production("SELECT store_fname FROM ir_attachment")}
    folder = filestore(installation)
    for content in contents():
        digest = hashlib.sha1(content).hexdigest()
        name = f"{digest[:2]}/{digest}"
        if name not in there:
            _write(folder / name, content)
            insert = "INSERT INTO ir_attachment (name, type, store_fname) VALUES ('made', 'binary', %s)"
            installation.in_production(insert, name)


def contents() -> Iterator[bytes]:
    """One half random bytes, the other half text."""
    for number in range(FILES):
        made = random.Random(number)
        size = made.randint(*FILE_BYTES)
        if number % 2:
            yield made.randbytes(size)
        else:
            yield " ".join(made.choices(WORDS, k=size // 6)).encode()


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    for path in (file, *list(file.parents)[:3]):
        os.chown(path, ODOO, ODOO)
