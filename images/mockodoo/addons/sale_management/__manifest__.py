{"name": "Sales", "version": "1.0", "category": "Sales/Sales", "depends": ["sale"], "application": True}
