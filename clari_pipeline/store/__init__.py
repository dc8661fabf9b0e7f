"""Statements on the pipeline's tables: ledgers, forecast entries, people, marts, products, alerts."""
