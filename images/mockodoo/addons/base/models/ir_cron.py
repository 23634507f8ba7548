from typing import Any

from mockodoo import release
from odoo import fields, models


class IrActionsServer(models.Model):
    _name = "ir.actions.server"
    _description = "Server Action"
    _table = "ir_act_server"
    _lenient = True

    name = fields.Char(required=True)
    model_id = fields.Many2one("ir.model", ondelete="cascade")
    model_name = fields.Char()
    state = fields.Char(default="code")
    code = fields.Text()
    usage = fields.Char(default="ir_actions_server")
    active = fields.Boolean(default=True)


class IrCron(models.Model):
    _name = "ir.cron"
    _description = "Scheduled Actions"
    _rec_name = "cron_name"
    _order = "cron_name"
    _lenient = True

    cron_name = fields.Char()
    ir_actions_server_id = fields.Many2one("ir.actions.server", required=True, ondelete="restrict")
    user_id = fields.Many2one("res.users", default=lambda self: self.env.uid, required=True)
    active = fields.Boolean(default=True)
    interval_number = fields.Integer(default=1)
    interval_type = fields.Selection(["minutes", "hours", "days", "weeks", "months"], default="months")
    nextcall = fields.Datetime(required=True, default=fields.Datetime.now)
    lastcall = fields.Datetime()
    priority = fields.Integer(default=5)
    if release.CRONS_COUNT_FAILURES:
        failure_count = fields.Integer(default=0)
        first_failure_date = fields.Datetime()
    if release.CRONS_COUNT_CALLS:
        numbercall = fields.Integer(default=-1)
        doall = fields.Boolean()

    def _create_one(self, values: dict[str, Any]) -> int:
        """A scheduled action is a server action with a calendar: its name, model and code belong to the action."""
        if "ir_actions_server_id" not in values:
            values = {**values, "ir_actions_server_id": self._action(values).id}
        return super()._create_one({"cron_name": values.get("name"), **values})

    def _action(self, values: dict[str, Any]) -> Any:
        model = self.env["ir.model"].browse(values.get("model_id") or ())
        delegated = {name: values[name] for name in ("name", "model_id", "state", "code") if name in values}
        return self.env["ir.actions.server"].create({**delegated, "model_name": model.model, "usage": "ir_cron"})

    def write(self, values: dict[str, Any]) -> bool:
        delegated = {name: values[name] for name in ("model_id", "state", "code") if name in values}
        if delegated:
            self.mapped("ir_actions_server_id").write(delegated)
        return super().write(values)

    def method_direct_trigger(self) -> bool:
        for cron in self:
            cron._run()
        return True

    def _run(self) -> None:
        action = self.ir_actions_server_id
        if action.state == "code" and action.code:
            exec(action.code.strip(), {"env": self.env, "model": self.env[action.model_name or "ir.cron"]})
