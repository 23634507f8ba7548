{"name": "Sales", "version": "1.2", "license": "LGPL-3", "category": "Sales/Sales", "depends": ["product"]}
