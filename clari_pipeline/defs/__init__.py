"""Dagster's assets, checks, partitions, jobs, schedules and sensors. The only package that imports dagster."""
