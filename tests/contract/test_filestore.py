"""docs/odoo-image.md, "HTTP": attachments are files named by their content."""

import hashlib

from .stage import Stage

SCRIPT = """
env["ir.attachment"].create({"name": "note.txt", "raw": b"kept by its content"})
env.cr.commit()
"""


def test_an_attachment_lies_under_its_sha1(stage: Stage, copy: str) -> None:
    digest = hashlib.sha1(b"kept by its content").hexdigest()
    assert stage.odoo("-d", copy, "--no-http", command=("shell",), stdin=SCRIPT).exit_code == 0
    path = stage.folder / "data" / "filestore" / copy / digest[:2] / digest
    assert path.read_bytes() == b"kept by its content"
    row = stage.execute("SELECT store_fname, checksum, file_size FROM ir_attachment WHERE name = 'note.txt'", copy)
    assert row == [(f"{digest[:2]}/{digest}", digest, 19)]
