{"name": "Contacts", "version": "1.0", "category": "Sales/CRM", "depends": ["base", "mail"], "application": True}
