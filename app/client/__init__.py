"""Commands that use the API as any client does, one file per command. Does not import the store."""

SUCCESS, WARNING, ERROR = 0, 1, 2  # document 002's exit codes
NOT_RUN = 3  # the server refused or can't be reached: nothing is known about the target
EXIT_CODES = {"success": SUCCESS, "warning": WARNING, "error": ERROR}
