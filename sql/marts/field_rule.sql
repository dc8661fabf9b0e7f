insert into field_rule (field, quota, closed, pipeline) values ($field, $quota, $closed, $pipeline);
