import { plainPlans } from './settings.ts'

/** Moves the end of leases that are still held. The ids come in order, as those of \`settle\` do: neither waits for the other in a circle. */
export const renew: string = `
create or replace function @.renew(ids text[], leases text[], until_at bigint, now_at bigint, relaxed boolean)
returns table (job_id text, its_lease text, new_rev text, cancel_reason text) language plpgsql ${plainPlans} as $fn$
begin
  if relaxed then
    perform set_config('synchronous_commit', 'off', true);
  end if;
  return query
    update @.job j set lease_until = until_at, rev = j.rev + 1
    from unnest(ids, leases) as n (id, lease)
    where j.id = n.id and j.state = 1 and j.lease = n.lease and j.lease_until > now_at
    returning j.id::text, j.lease::text, j.rev::text, j.cancel;
end
$fn$;`
