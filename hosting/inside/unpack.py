"""Runs in a container, never in Berth: unpacks a zip of Odoo, its dump straight into psql, as the database's own role.

    python3 unpack.py ARCHIVE FILESTORE

There is nothing in the container but Odoo's image, the archive and an empty folder, and no way to anything but that
database. psql is in its restricted mode, in which no command of its own is obeyed (CVE-2025-8714). What a dump may hold
that another server's roles and extensions explain is passed over; at the first other error all ends, with exit code 3.
"""

import hashlib
import re
import secrets
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import IO

PIECE = 1024 * 1024
SAID = 100  # of what is passed over
END = 200  # bytes, in which the last word of pg_dump stands
FILE = re.compile(r"filestore/([0-9a-f]{2})/([0-9a-f]{40})")  # not those in `checklist`, which are empty
PSQL = ("psql", "--no-psqlrc", "--quiet", "--no-password", "--set=VERBOSITY=terse", "--output=/dev/null")
PASSED_OVER = (
    r"must be owner of extension (pg_trgm|unaccent|plpgsql|pg_stat_statements)$",  # comments on them
    r'role ".*" does not exist$',  # whom the other server gave rights to
    r"unrecognized configuration parameter",  # of a newer pg_dump
    r'(schema|extension) "(public|pg_trgm|unaccent)" already exists',
    r'function "(unaccent|immutable_unaccent)" already exists',
    r"must be owner of (function unaccent|schema public)$",
    r"no privileges (were granted|could be revoked)",
)
_HARMLESS = re.compile("|".join(PASSED_OVER))
_ERROR = re.compile(r"(ERROR|FATAL|PANIC): |restricted|invalid command|^psql: ")
_RESTRICTS = re.compile(rb"^\\restrict ([0-9A-Za-z]{16,})\r?$", re.MULTILINE)  # by a word that no data holds


def main(archive: Path, filestore: Path) -> int:
    with zipfile.ZipFile(archive) as opened:
        wrong = load(opened)
        if wrong:
            print(f"The dump can't be restored: {wrong}")
            return 3
        bad = unpack(opened, filestore)
    for name in bad[:20]:
        print(f"{name} has another content than the one it is called after")
    return 0


def load(opened: zipfile.ZipFile) -> str:
    """Feed the dump to psql. Returns the error that ended it, "" for none."""
    psql = subprocess.Popen(PSQL, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert psql.stdin is not None
    assert psql.stderr is not None
    errors: list[str] = []
    listener = threading.Thread(target=listen, args=(psql, psql.stderr, errors))
    listener.start()
    try:
        psql.stdin.write(f"\\restrict {secrets.token_hex(24)}\n".encode())
        with opened.open("dump.sql") as dump:
            feed(dump, psql.stdin)
        psql.stdin.close()
    except BrokenPipeError:
        pass  # it has ended: `errors` say why
    except zipfile.BadZipFile as error:
        psql.kill()
        errors.append(str(error))
    code = psql.wait()
    listener.join()
    return errors[0] if errors else f"psql ended with exit code {code}" if code else ""


def feed(dump: IO[bytes], psql: IO[bytes]) -> None:
    """All of it but pg_dump's own two words on the restricted mode: the first before any data, the last at the end."""
    begin = b"".join(dump.readline(PIECE) for _ in range(10))
    own = _RESTRICTS.search(begin)
    psql.write(_RESTRICTS.sub(b"", begin))
    held = b""
    while piece := dump.read(PIECE):
        held += piece
        psql.write(held[:-END])
        held = held[-END:]
    psql.write(held.replace(b"\\unrestrict " + own[1], b"") if own else held)


def listen(psql: "subprocess.Popen[bytes]", stderr: IO[bytes], errors: list[str]) -> None:
    """Keep the first error that can't be passed over, and end psql then."""
    passed = 0
    for line in stderr:
        text = line.decode(errors="replace").strip()[:500]
        if not errors and _ERROR.search(text):
            if _HARMLESS.search(text):
                passed += 1
                if passed <= SAID:  # a dump may have millions, and all that is said is kept
                    print(f"Passed over: {text}")
            else:
                errors.append(text)
                psql.kill()


def unpack(opened: zipfile.ZipFile, filestore: Path) -> list[str]:
    """Write the files. Returns those whose content is not the one that their names say."""
    bad = []
    for entry in opened.infolist():
        found = FILE.fullmatch(entry.filename)
        if found is None:
            continue
        shelf = filestore / found[1]
        shelf.mkdir(exist_ok=True)
        digest = hashlib.sha1()
        with opened.open(entry) as source, (shelf / found[2]).open("xb") as target:
            while piece := source.read(PIECE):
                digest.update(piece)
                target.write(piece)
        if digest.hexdigest() != found[2]:
            bad.append(f"{found[1]}/{found[2]}")
    return bad


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
