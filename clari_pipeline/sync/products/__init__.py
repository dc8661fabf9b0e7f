"""Clari's products other than forecasts: audit events, activity, opportunities, its own limits.

Each is off unless `CLARI_PRODUCTS` names it. A fetch is processed as an export is: persisted in the ledger
(`product_fetch`) before the request, its raw answers landed for good, judged by the gate, merged in one transaction,
older never over newer.
"""
