"""Every other database that SQLAlchemy reaches: SQLite, MySQL, MariaDB and more."""
