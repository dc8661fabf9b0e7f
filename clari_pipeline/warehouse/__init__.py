"""SQL in, tables out."""
