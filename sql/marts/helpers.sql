-- By its short name in statements.
create or replace temp macro fraction(part, whole) as clari.fraction(part, whole);
