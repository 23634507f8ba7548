from odoo.tests import TransactionCase


class TestFailing(TransactionCase):
    def test_a_passes(self):
        self.assertTrue(self.env["res.partner"].search_count([]))

    def test_b_fails(self):
        self.assertEqual(1, 2)

    def test_c_fails_too(self):
        self.assertIn("x", "abc")

    def test_d_is_an_error(self):
        raise KeyError("on purpose")

    def test_e_passes(self):
        self.assertFalse(self.env["res.partner"].browse().name)
