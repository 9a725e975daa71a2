"""Django's PostgreSQL, which asks a quiet connection nothing."""
