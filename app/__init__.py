"""The API, the store, the domain rules, and what every process shares: settings, database, queue, log."""
