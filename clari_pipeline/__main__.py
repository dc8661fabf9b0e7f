"""`python -m clari_pipeline` is the command line."""

from clari_pipeline.cli.app import main

main()
