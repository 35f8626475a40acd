"""Any database that SQLAlchemy knows, as source."""
