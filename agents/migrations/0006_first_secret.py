from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0005_record'),
    ]

    operations = [
        migrations.CreateModel(
            name='FirstSecret',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64)),
                ('expires_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('pk', 1)), name='first_secret_is_one')],
            },
        ),
    ]
