"""The order of a sync: plan, export, land, judge, merge, compare, marts, publish."""
