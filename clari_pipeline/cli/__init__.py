"""The command line, by Typer."""
