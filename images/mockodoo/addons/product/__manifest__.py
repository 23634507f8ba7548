{"name": "Products & Pricelists", "version": "1.2", "category": "Sales/Sales", "depends": ["base", "mail", "uom"]}
