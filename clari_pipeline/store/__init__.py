"""What is kept, statement by statement: ledger, entries, people, marts, products, alerts."""
