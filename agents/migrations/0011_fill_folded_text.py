from django.db import migrations

from rdv.api.folded import fill


def fill_all(apps, schema_editor):
    for name in ("AccessKey", "Agent", "Organisation", "Service"):
        fill(apps.get_model("agents", name), schema_editor.connection.alias)


class Migration(migrations.Migration):

    # A transaction for each few rows: nobody waits for all of them, nor for the columns to be there.
    atomic = False

    dependencies = [
        ('agents', '0010_quotas'),
    ]

    operations = [
        migrations.RunPython(fill_all, migrations.RunPython.noop),
    ]
