"""Programs that run in containers of Odoo's image, never in Berth."""
