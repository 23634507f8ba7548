import time

from odoo import api, fields, models


class Book(models.Model):
    _name = "contract.book"
    _description = "Book"

    name = fields.Char(required=True)
    pages = fields.Integer(default=100)
    sheets = fields.Integer(compute="_compute_sheets", store=True)
    author_id = fields.Many2one("res.partner")

    @api.depends("pages")
    def _compute_sheets(self):
        for book in self:
            book.sheets = (book.pages + 1) // 2

    def count_read(self):
        parameters = self.env["ir.config_parameter"].sudo()
        parameters.set_param("contract.read", int(parameters.get_param("contract.read", 0)) + 1)

    def read_for_ever(self):
        time.sleep(600)
