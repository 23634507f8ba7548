"""A small model layer with the shape of Odoo's: enough for addons with ordinary models, not for all of Odoo."""
