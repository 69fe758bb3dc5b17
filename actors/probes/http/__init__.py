"""HTTP checks: request, session, authentication, timings, expectations."""
