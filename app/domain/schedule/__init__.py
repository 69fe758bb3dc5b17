"""Due slots and cron. Pure."""
