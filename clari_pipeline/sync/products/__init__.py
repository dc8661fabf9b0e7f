"""What Clari has beside forecasts: audit events, activity, opportunities, its own limits.

Each is off unless `CLARI_PRODUCTS` names it. A fetch goes the way of an export: it stands in the ledger
(`product_fetch`) before Clari is asked, its raw answers land for ever, the gate judges them, one transaction merges
them, older never over newer.
"""
