"""What every room stands on: errors, periods, durable files, paths, retries, signals, text for people."""
