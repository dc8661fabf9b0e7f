"""The Dagster face: the only room that imports dagster."""
