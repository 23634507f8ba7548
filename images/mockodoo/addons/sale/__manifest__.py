{"name": "Sales", "version": "1.2", "category": "Sales/Sales", "depends": ["product"]}
