from odoo import fields, models


class IrModule(models.Model):
    _name = "ir.module.module"
    _description = "Module"
    _order = "name"
    _rec_name = "shortdesc"
    _lenient = True

    name = fields.Char(required=True)
    state = fields.Selection([])
    latest_version = fields.Char()
    shortdesc = fields.Char()
    author = fields.Char()
    summary = fields.Char()
    demo = fields.Boolean(default=False)
    auto_install = fields.Boolean()
    application = fields.Boolean()
    license = fields.Char()


class IrModuleDependency(models.Model):
    _name = "ir.module.module.dependency"
    _description = "Module dependency"
    _log_access = False

    name = fields.Char()
    module_id = fields.Many2one("ir.module.module", ondelete="cascade")
    auto_install_required = fields.Boolean(default=True)


class IrModelData(models.Model):
    _name = "ir.model.data"
    _description = "Model Data"

    module = fields.Char(required=True)
    name = fields.Char(required=True)
    model = fields.Char(required=True)
    res_id = fields.Integer()
    noupdate = fields.Boolean(default=False)
