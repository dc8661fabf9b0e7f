-- Before all landed documents are merged again, in order.
delete from clari.activity;

delete from clari.activity_account;

delete from clari.activity_opportunity;

delete from clari.activity_participant;
