"""The warehouse in Snowflake."""
