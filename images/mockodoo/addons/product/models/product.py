from odoo import fields, models


class ProductTemplate(models.Model):
    _name = "product.template"
    _description = "Product"
    _order = "name"
    _lenient = True

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    list_price = fields.Float(default=1.0)
    default_code = fields.Char()


class ProductProduct(models.Model):
    _name = "product.product"
    _description = "Product Variant"
    _lenient = True

    product_tmpl_id = fields.Many2one("product.template", required=True, ondelete="cascade")
    active = fields.Boolean(default=True)
    name = fields.Char(related="product_tmpl_id.name")
