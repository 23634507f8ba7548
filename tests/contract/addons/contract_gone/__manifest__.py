{"name": "Contract: its code goes away", "version": "1.0", "depends": ["base"], "license": "LGPL-3"}
