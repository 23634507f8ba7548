from odoo import fields, models


class Shelf(models.Model):
    _name = "contract.shelf"
    _description = "Shelf"

    name = fields.Char()
