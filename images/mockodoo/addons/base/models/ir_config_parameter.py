import secrets
import uuid
from typing import Any

from odoo import api, fields, models


class IrConfigParameter(models.Model):
    _name = "ir.config_parameter"
    _description = "System Parameter"
    _rec_name = "key"
    _order = "key"
    _sql_constraints = [("key_uniq", "unique (key)", "Key must be unique.")]

    key = fields.Char(required=True)
    value = fields.Text(required=True)

    @api.model
    def get_param(self, key: str, default: Any = False) -> Any:
        return self.search([("key", "=", key)], limit=1).value or default

    @api.model
    def set_param(self, key: str, value: Any) -> Any:
        """Set a parameter, or remove it with False or None. Returns the value before."""
        parameter = self.search([("key", "=", key)], limit=1)
        before = parameter.value
        if value is False or value is None:
            parameter.unlink()
        elif parameter:
            parameter.write({"value": str(value)})
        else:
            self.create({"key": key, "value": str(value)})
        return before

    @api.model
    def fill_in(self) -> None:
        """The parameters that every database has of its own."""
        for key, value in (
            ("database.secret", str(uuid.UUID(bytes=secrets.token_bytes(16)))),
            ("database.uuid", str(uuid.uuid1())),
            ("database.create_date", fields.Datetime.to_string(fields.Datetime.now())),
            ("web.base.url", "http://localhost:8069"),
            ("base.login_cooldown_after", "10"),
            ("base.login_cooldown_duration", "60"),
        ):
            if not self.get_param(key):
                self.set_param(key, value)
