"""Document 002's field names, schedules and plugins. Pure."""
