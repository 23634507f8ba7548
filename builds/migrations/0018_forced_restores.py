from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('builds', '0017_triggers'),
    ]

    operations = [
        migrations.AddField(
            model_name='restore',
            name='forced',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
