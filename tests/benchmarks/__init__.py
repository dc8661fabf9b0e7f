"""What the pipeline costs beside the least that such work can cost, and beside dlt: `make bench`."""
