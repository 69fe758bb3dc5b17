"""Commands over the API: a client like any other, one file per command. Knows the wire, and nothing of the store."""

SUCCESS, WARNING, ERROR = 0, 1, 2  # document 002's exit codes
NOT_RUN = 3  # the server refused, or is not there: nothing is known of the target
EXIT_CODES = {"success": SUCCESS, "warning": WARNING, "error": ERROR}
