"""Amazon Redshift, both ways."""
