"""Rows as Arrow: from JSON to columns, from type to type, to text and back."""
