-- The queries of virtual keys, users and teams. How the file is read: litebatch_sql/queries.py.

-- name: find_key
-- The key beside its user and its team, in one statement.
SELECT {virtual_keys}, {users}, {teams}
FROM {prefix}virtual_keys AS virtual_keys
LEFT JOIN {prefix}users AS users ON users.id = virtual_keys.user_id
LEFT JOIN {prefix}teams AS teams ON teams.id = virtual_keys.team_id
WHERE virtual_keys.token = :token;


-- name: insert_virtual_keys
INSERT INTO {prefix}virtual_keys ({virtual_keys.columns}) VALUES ({virtual_keys.parameters});

-- name: update_virtual_keys
UPDATE {prefix}virtual_keys AS virtual_keys SET {virtual_keys.assignments} WHERE id = :id;

-- name: delete_virtual_keys
DELETE FROM {prefix}virtual_keys WHERE id = :id;

-- name: get_virtual_keys
SELECT {virtual_keys} FROM {prefix}virtual_keys AS virtual_keys WHERE id = :id
{for_update}  -- if lock
;

-- name: list_virtual_keys
SELECT {virtual_keys} FROM {prefix}virtual_keys AS virtual_keys
WHERE TRUE
  AND id = :id  -- if id
  AND alias = :alias  -- if alias
  AND user_id = :user_id  -- if user_id
  AND team_id = :team_id  -- if team_id
ORDER BY created_at DESC, id DESC
LIMIT :limit OFFSET :offset;

-- name: aliases
SELECT id, alias FROM {prefix}virtual_keys WHERE id IN ({ids}) AND alias IS NOT NULL;

-- name: count_virtual_keys
SELECT count(*) FROM {prefix}virtual_keys AS virtual_keys
WHERE TRUE
  AND id = :id  -- if id
  AND alias = :alias  -- if alias
  AND user_id = :user_id  -- if user_id
  AND team_id = :team_id  -- if team_id
;


-- name: insert_users
INSERT INTO {prefix}users ({users.columns}) VALUES ({users.parameters});

-- name: update_users
UPDATE {prefix}users AS users SET {users.assignments} WHERE id = :id;

-- name: delete_users
DELETE FROM {prefix}users WHERE id = :id;

-- name: get_users
SELECT {users} FROM {prefix}users AS users WHERE id = :id
{for_update}  -- if lock
;

-- name: list_users
SELECT {users} FROM {prefix}users AS users
WHERE TRUE
  AND id = :id  -- if id
  AND alias = :alias  -- if alias
ORDER BY created_at DESC, id DESC
LIMIT :limit OFFSET :offset;

-- name: count_users
SELECT count(*) FROM {prefix}users AS users
WHERE TRUE
  AND id = :id  -- if id
  AND alias = :alias  -- if alias
;


-- name: insert_teams
INSERT INTO {prefix}teams ({teams.columns}) VALUES ({teams.parameters});

-- name: update_teams
UPDATE {prefix}teams AS teams SET {teams.assignments} WHERE id = :id;

-- name: delete_teams
DELETE FROM {prefix}teams WHERE id = :id;

-- name: get_teams
SELECT {teams} FROM {prefix}teams AS teams WHERE id = :id
{for_update}  -- if lock
;

-- name: list_teams
SELECT {teams} FROM {prefix}teams AS teams
WHERE TRUE
  AND id = :id  -- if id
  AND alias = :alias  -- if alias
ORDER BY created_at DESC, id DESC
LIMIT :limit OFFSET :offset;

-- name: count_teams
SELECT count(*) FROM {prefix}teams AS teams
WHERE TRUE
  AND id = :id  -- if id
  AND alias = :alias  -- if alias
;
