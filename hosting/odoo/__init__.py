"""What Berth knows of Odoo: its configuration, command lines, log lines and the needs of each series."""
