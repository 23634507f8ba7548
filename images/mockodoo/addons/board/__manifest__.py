{"name": "Dashboards", "version": "1.0", "license": "LGPL-3", "category": "Productivity", "depends": ["web"]}
