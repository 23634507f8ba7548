# mypy: ignore-errors
from odoo import _, fields, models
from odoo.exceptions import UserError


class LibraryBook(models.Model):
    _name = "library.book"
    _description = "Library Book"
    _order = "name"

    name = fields.Char(string="Title", required=True)
    author = fields.Char(required=True)
    isbn = fields.Char(string="ISBN")
    pages = fields.Integer()
    borrower_id = fields.Many2one("res.partner", string="Borrowed by")
    active = fields.Boolean(default=True)

    _sql_constraints = [
        ("isbn_unique", "unique (isbn)", "There is a book with this ISBN already."),
    ]

    def lend_to(self, partner):
        """Hand the book to a partner."""
        self.ensure_one()
        if self.borrower_id:
            raise UserError(_("%s is not on the shelf.", self.name))
        self.borrower_id = partner

    def action_return(self):
        self.write({"borrower_id": False})
