# mypy: ignore-errors
from odoo.exceptions import UserError
from odoo.tests import TransactionCase


class TestLibraryBook(TransactionCase):
    def setUp(self):
        super().setUp()
        self.book = self.env["library.book"].create({"name": "Typhoon", "author": "Joseph Conrad", "pages": 96})
        self.reader = self.env["res.partner"].create({"name": "Rosa Reader"})

    def test_a_book_is_lent_and_comes_back(self):
        self.book.lend_to(self.reader)
        self.assertEqual(self.book.borrower_id, self.reader)
        self.book.action_return()
        self.assertFalse(self.book.borrower_id)

    def test_a_lent_book_is_not_lent_again(self):
        self.book.lend_to(self.reader)
        with self.assertRaises(UserError):
            self.book.lend_to(self.reader)

    def test_books_are_found_by_author(self):
        found = self.env["library.book"].search([("author", "=", "Joseph Conrad")])
        self.assertIn(self.book, found)
