-- Before all landed documents are merged again, in order.
delete from clari.opportunity;

delete from clari.opportunity_field;

delete from clari.opportunity_field_trend;
