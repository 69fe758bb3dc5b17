"""When incidents open, change and close. Pure."""
