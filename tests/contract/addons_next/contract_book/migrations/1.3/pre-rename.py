def migrate(cr, version):
    cr.execute("UPDATE contract_book SET name = name || ' before'")
