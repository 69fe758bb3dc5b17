"""What every probe uses: results, errors, bounded bodies, redaction."""
