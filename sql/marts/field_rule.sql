insert into field_rule values ($field, $quota, $closed, $pipeline);
