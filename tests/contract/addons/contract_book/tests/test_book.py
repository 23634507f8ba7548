from odoo.tests import TransactionCase, tagged


class TestBook(TransactionCase):
    def test_sheets_follow_pages(self):
        book = self.env["contract.book"].create({"name": "Two hundred", "pages": 200})
        self.assertEqual(book.sheets, 100)
        book.pages = 9
        self.assertEqual(book.sheets, 5)


@tagged("post_install", "-at_install")
class TestBookAfterwards(TransactionCase):
    def test_search_through_author(self):
        author = self.env["res.partner"].create({"name": "Contract Author"})
        book = self.env["contract.book"].create({"name": "Mine", "author_id": author.id})
        self.assertEqual(self.env["contract.book"].search([("author_id.name", "=", "Contract Author")]), book)
