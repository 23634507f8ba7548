import base64
import hashlib
from pathlib import Path
from typing import Any

from odoo import fields, models
from odoo.tools import config


class IrAttachment(models.Model):
    _name = "ir.attachment"
    _description = "Attachment"
    _order = "id desc"
    _lenient = True

    name = fields.Char(required=True)
    description = fields.Text()
    res_model = fields.Char()
    res_field = fields.Char()
    res_id = fields.Integer()
    company_id = fields.Many2one("res.company")
    type = fields.Selection([("url", "URL"), ("binary", "File")], default="binary", required=True)
    url = fields.Char()
    public = fields.Boolean()
    access_token = fields.Char()
    store_fname = fields.Char()
    file_size = fields.Integer()
    checksum = fields.Char()
    mimetype = fields.Char(default="application/octet-stream")
    db_datas = fields.Binary()
    datas = fields.Binary(compute="_compute_datas", inverse="_inverse_datas")
    raw = fields.Binary(compute="_compute_raw", inverse="_inverse_raw")

    def _compute_datas(self) -> None:
        for attachment in self:
            attachment.datas = base64.b64encode(attachment._content())

    def _compute_raw(self) -> None:
        for attachment in self:
            attachment.raw = attachment._content()

    def _inverse_datas(self) -> None:
        for attachment in self:
            attachment._store(base64.b64decode(attachment.datas or b""))

    def _inverse_raw(self) -> None:
        for attachment in self:
            raw = attachment.raw or b""
            attachment._store(raw.encode() if isinstance(raw, str) else raw)

    def _filestore(self) -> Path:
        return Path(config.filestore(self.env.cr.dbname))

    def _content(self) -> bytes:
        return (self._filestore() / self.store_fname).read_bytes() if self.store_fname else b""

    def _store(self, content: bytes) -> None:
        """Keep content under its SHA-1, `<2 hex>/<sha1>`, written once: files of the filestore never change."""
        checksum = hashlib.sha1(content).hexdigest()
        name = f"{checksum[:2]}/{checksum}"
        path = self._filestore() / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        values: dict[str, Any] = {"store_fname": name, "checksum": checksum, "file_size": len(content)}
        self.write(values)
