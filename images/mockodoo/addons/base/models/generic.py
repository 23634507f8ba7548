"""Core models of which the stand-in plays only what data files name: a table, a few columns, no behaviour."""

from odoo import api, fields, models


class Base(models.AbstractModel):
    _name = "base"
    _description = "Base"


class IrModel(models.Model):
    _name = "ir.model"
    _description = "Models"
    _order = "model"
    _lenient = True

    name = fields.Char(required=True)
    model = fields.Char(required=True)
    transient = fields.Boolean()


class IrModelAccess(models.Model):
    _name = "ir.model.access"
    _description = "Model Access"

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    model_id = fields.Many2one("ir.model", required=True, ondelete="cascade")
    group_id = fields.Many2one("res.groups", ondelete="restrict")
    perm_read = fields.Boolean()
    perm_write = fields.Boolean()
    perm_create = fields.Boolean()
    perm_unlink = fields.Boolean()


class IrRule(models.Model):
    _name = "ir.rule"
    _description = "Record Rule"
    _lenient = True

    name = fields.Char()
    model_id = fields.Many2one("ir.model", required=True, ondelete="cascade")
    domain_force = fields.Text()
    groups = fields.Many2many("res.groups", "rule_group_rel", "rule_group_id", "group_id")


class IrUiView(models.Model):
    _name = "ir.ui.view"
    _description = "View"
    _lenient = True

    name = fields.Char(required=True)
    model = fields.Char()
    key = fields.Char()
    priority = fields.Integer(default=16)
    type = fields.Char()
    mode = fields.Char(default="primary")
    active = fields.Boolean(default=True)
    inherit_id = fields.Many2one("ir.ui.view", ondelete="restrict")
    arch_db = fields.Text()
    arch = fields.Text(related="arch_db", inverse="_inverse_arch")

    def _inverse_arch(self) -> None:
        for view in self:
            view.arch_db = view.arch


class IrUiMenu(models.Model):
    _name = "ir.ui.menu"
    _description = "Menu"
    _order = "sequence, id"
    _lenient = True

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    sequence = fields.Integer(default=10)
    parent_id = fields.Many2one("ir.ui.menu", ondelete="restrict")
    action = fields.Char()
    web_icon = fields.Char()


class IrActionsActWindow(models.Model):
    _name = "ir.actions.act_window"
    _description = "Action Window"
    _table = "ir_act_window"
    _lenient = True

    name = fields.Char(required=True)
    res_model = fields.Char(required=True)
    view_mode = fields.Char(default="list,form")
    domain = fields.Char()
    context = fields.Char(default="{}")
    help = fields.Html()
    target = fields.Char(default="current")


class IrActionsReport(models.Model):
    _name = "ir.actions.report"
    _description = "Report Action"
    _table = "ir_act_report_xml"
    _lenient = True

    name = fields.Char(required=True)
    model = fields.Char()
    report_name = fields.Char()
    report_type = fields.Char(default="qweb-pdf")


class IrMailServer(models.Model):
    _name = "ir.mail_server"
    _description = "Mail Server"
    _order = "sequence, id"
    _lenient = True

    name = fields.Char(required=True)
    from_filter = fields.Char()
    smtp_host = fields.Char()
    smtp_port = fields.Integer(default=25)
    smtp_user = fields.Char()
    smtp_pass = fields.Char()
    smtp_encryption = fields.Char(default="none", required=True)
    smtp_authentication = fields.Char(default="login", required=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)


class IrLogging(models.Model):
    _name = "ir.logging"
    _description = "Logging"
    _order = "id desc"

    name = fields.Char(required=True)
    type = fields.Selection(["client", "server"], required=True)
    dbname = fields.Char()
    level = fields.Char()
    message = fields.Text(required=True)
    path = fields.Char(required=True)
    func = fields.Char(required=True)
    line = fields.Char(required=True)


class IrSequence(models.Model):
    _name = "ir.sequence"
    _description = "Sequence"
    _lenient = True

    name = fields.Char(required=True)
    code = fields.Char()
    prefix = fields.Char()
    padding = fields.Integer(default=0)
    number_next = fields.Integer(default=1)
    active = fields.Boolean(default=True)

    @api.model
    def next_by_code(self, code: str) -> str | bool:
        sequence = self.search([("code", "=", code)], limit=1)
        if not sequence:
            return False
        number = sequence.number_next
        sequence.number_next = number + 1
        return f"{sequence.prefix or ''}{number:0{sequence.padding}d}"


class ResCurrency(models.Model):
    _name = "res.currency"
    _description = "Currency"
    _lenient = True

    name = fields.Char(required=True)
    symbol = fields.Char()
    active = fields.Boolean(default=True)


class ResCountry(models.Model):
    _name = "res.country"
    _description = "Country"
    _order = "name"
    _lenient = True

    name = fields.Char(required=True)
    code = fields.Char()


class ResLang(models.Model):
    _name = "res.lang"
    _description = "Languages"
    _lenient = True

    name = fields.Char(required=True)
    code = fields.Char(required=True)
    active = fields.Boolean(default=True)


class IrModuleCategory(models.Model):
    _name = "ir.module.category"
    _description = "Application"
    _lenient = True

    name = fields.Char(required=True)
    sequence = fields.Integer()


class IrAsset(models.Model):
    _name = "ir.asset"
    _description = "Asset"
    _lenient = True

    name = fields.Char(required=True)
    bundle = fields.Char()
    path = fields.Char()


class IrDefault(models.Model):
    _name = "ir.default"
    _description = "Default Values"
    _lenient = True

    json_value = fields.Char()


class AutoVacuum(models.AbstractModel):
    _name = "ir.autovacuum"
    _description = "Automatic Vacuum"

    @api.model
    def _run_vacuum_cleaner(self) -> None:
        self.env.cr.execute("DELETE FROM ir_logging WHERE create_date < now() - interval '7 days'")
