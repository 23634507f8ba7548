from typing import Any

from odoo import fields, models


class MailMessage(models.Model):
    _name = "mail.message"
    _description = "Message"
    _order = "id desc"
    _lenient = True

    subject = fields.Char()
    body = fields.Html()
    model = fields.Char()
    res_id = fields.Integer()
    date = fields.Datetime(default=fields.Datetime.now)
    author_id = fields.Many2one("res.partner")


class MailThread(models.AbstractModel):
    _name = "mail.thread"
    _description = "Email Thread"

    def message_post(self, *, body: str = "", subject: str | bool = False, **_others: Any) -> Any:
        self.ensure_one()
        author = self.env.user.partner_id.id
        values = {"body": body, "subject": subject, "model": self._name, "res_id": self.id, "author_id": author}
        return self.env["mail.message"].create(values)


class MailActivityMixin(models.AbstractModel):
    _name = "mail.activity.mixin"
    _description = "Activity Mixin"


class MailTemplate(models.Model):
    _name = "mail.template"
    _description = "Email Templates"
    _lenient = True

    name = fields.Char()
    model_id = fields.Many2one("ir.model")
    subject = fields.Char()
    body_html = fields.Html()
    email_from = fields.Char()
    email_to = fields.Char()
