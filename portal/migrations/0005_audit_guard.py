from django.db import migrations

GUARD = """
CREATE OR REPLACE FUNCTION portal_auditentry_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is only ever added to: nothing was changed.' USING ERRCODE = 'insufficient_privilege';
END $$;
DROP TRIGGER IF EXISTS portal_auditentry_guard ON portal_auditentry;
CREATE TRIGGER portal_auditentry_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON portal_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION portal_auditentry_guard();
"""
OPEN = """
DROP TRIGGER portal_auditentry_guard ON portal_auditentry;
DROP FUNCTION portal_auditentry_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("portal", "0004_put_off")]

    operations = [migrations.RunSQL(GUARD, OPEN, hints={"only_adds": True})]
