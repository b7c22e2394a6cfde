from django.db import migrations


def forget_one_trigger(apps, schema_editor):
    """`agents.derived` makes its triggers, and the functions that they call, when one of them is missing."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER IF EXISTS agents_role_inserted ON agents_agentrole")


class Migration(migrations.Migration):
    dependencies = [("agents", "0002_shown_organisation")]
    operations = [migrations.RunPython(forget_one_trigger, migrations.RunPython.noop)]
