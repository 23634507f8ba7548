{"name": "Dashboards", "version": "1.0", "category": "Productivity", "depends": ["web"]}
