"""The demo's addons bring tests of their own, which only Odoo can run."""

collect_ignore = ["demo"]
