/** What a claim makes of a row, and what it hands out. As `core/lifecycle.ts#claimed` says. */
export const taking = `
  set state = 1, attempt = j.attempt + 1, rev = j.rev + 1, lease = new_lease, lease_until = until_at, started_at = now_at,
    unique_held = j.unique_held and j.unique_until <> 0`
export const handingOut = `
  j.seq, j.id, j.lane, j.run_at, j.attempt, j.max_attempts, j.rev, j.created_at, j.payload,
  case when coalesce(j.unique_key, j.concurrency_key, j.failures, j.policy, j.parent, j.cancel, j.result) is not null or j.payload_bytes is not null then
    json_build_array(j.unique_key, j.unique_until, j.unique_held, j.concurrency_key, j.failures, j.policy, j.parent, j.cancel, j.result,
      encode(j.payload_bytes, 'hex'))::text
  end as rest`
export const counting =
  'insert into @.tally (lane, pending, running) select u.lane, -count(*), count(*) from u group by u.lane'
export const inTurn = 'u.id, u.lane, u.run_at, u.attempt, u.max_attempts, u.rev, u.created_at, u.payload, u.rest'
