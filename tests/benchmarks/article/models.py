"""Campaigns, device tokens and a push log with a row for each device."""
# mypy: disallow-subclassing-any=False
# Django is not in the environment that is checked.

from django.db import models  # type: ignore[import-not-found]  # in an environment of its own


class Campaign(models.Model):
    """One push to all, with its counters."""

    title = models.CharField(max_length=100)
    message = models.TextField()
    priority = models.CharField(max_length=10, default="normal")
    data = models.JSONField(default=dict)
    status = models.CharField(max_length=20, default="draft", db_index=True)
    total_recipients = models.IntegerField(default=0)
    sent_count = models.IntegerField(default=0)
    success_count = models.IntegerField(default=0)
    failure_count = models.IntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Return its title."""
        return str(self.title)


class DeviceToken(models.Model):
    """A device of a user."""

    user_id = models.BigIntegerField(db_index=True)
    token = models.CharField(max_length=255, unique=True)
    platform = models.CharField(max_length=10)
    is_active = models.BooleanField(default=True, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        """Return its token."""
        return str(self.token)


class PushLog(models.Model):
    """What became of one device's push."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE)
    device = models.ForeignKey(DeviceToken, on_delete=models.CASCADE)
    status = models.CharField(max_length=20)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """It is found by campaign and status."""

        indexes = (models.Index(fields=["campaign", "status"]),)

    def __str__(self) -> str:
        """Return its outcome."""
        return str(self.status)
