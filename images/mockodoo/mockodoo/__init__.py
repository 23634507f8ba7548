"""Berth's stand-in for Odoo.

It is not Odoo and holds none of its code. It behaves as docs/odoo-image.md says of an Odoo image, oddities
included, so that the platform can be built, tested and shown where no real image is at hand: it loads addons by
manifest and dependency order, keeps its tables in PostgreSQL under Odoo's names, serves HTTP in forked workers, runs
addons' tests, and fails with Odoo's exit codes and log lines.
"""

NOTICE = "Stand-in for Odoo, not Odoo"
