{
    "name": "Contract: view of an unknown field",
    "version": "1.0",
    "depends": ["contract_book"],
    "data": ["view.xml"],
    "license": "LGPL-3",
}
