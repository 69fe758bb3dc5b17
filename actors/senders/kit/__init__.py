"""What every sender uses: requests, errors, limits, redaction."""
