from odoo import api, fields, models


class SaleOrder(models.Model):
    _name = "sale.order"
    _inherit = ["mail.thread"]
    _description = "Sales Order"
    _order = "id desc"
    _lenient = True

    name = fields.Char(required=True, default="New")
    partner_id = fields.Many2one("res.partner", required=True)
    date_order = fields.Datetime(default=fields.Datetime.now, required=True)
    state = fields.Selection(["draft", "sent", "sale", "cancel"], default="draft")
    order_line = fields.One2many("sale.order.line", "order_id")
    amount_total = fields.Monetary(compute="_compute_amount_total")

    @api.depends("order_line.price_subtotal")
    def _compute_amount_total(self) -> None:
        for order in self:
            order.amount_total = sum(order.order_line.mapped("price_subtotal"))

    def action_confirm(self) -> bool:
        self.write({"state": "sale"})
        return True


class SaleOrderLine(models.Model):
    _name = "sale.order.line"
    _description = "Sales Order Line"
    _lenient = True

    name = fields.Text()
    order_id = fields.Many2one("sale.order", required=True, ondelete="cascade")
    product_id = fields.Many2one("product.product")
    product_uom_qty = fields.Float(default=1.0)
    price_unit = fields.Float()
    price_subtotal = fields.Monetary(compute="_compute_price_subtotal", store=True)

    @api.depends("product_uom_qty", "price_unit")
    def _compute_price_subtotal(self) -> None:
        for line in self:
            line.price_subtotal = line.product_uom_qty * line.price_unit
