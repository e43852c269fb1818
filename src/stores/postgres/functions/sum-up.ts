import { plainPlans } from './settings.ts'

/** The number of the advisory lock, beside those of the queues, that lets one alone sum up. */
const summing = 0

/**
 * Adds the lines of the tally to the counts of their lanes. Whoever comes second at the same time does nothing.
 *
 * It acts with its owner's rights: who only enqueues adds lines, but must not take any away.
 */
export const sumUp: string = `
create or replace function @.sum_up() returns void language plpgsql security definer ${plainPlans} as $fn$
begin
  if not pg_try_advisory_xact_lock('@.job'::regclass::oid::integer, ${summing}) then
    return;
  end if;
  perform set_config('synchronous_commit', 'off', true);
  with gone as (
    delete from @.tally t returning t.*
  ), sums as (
    select g.lane, sum(g.pending) as pending, sum(g.running) as running, sum(g.completed) as completed, sum(g.failed) as failed,
      sum(g.cancelled) as cancelled
    from gone g group by g.lane
  )
  update @.lane l
  set pending = coalesce(l.pending, 0) + s.pending, running = coalesce(l.running, 0) + s.running,
    completed = coalesce(l.completed, 0) + s.completed, failed = coalesce(l.failed, 0) + s.failed,
    cancelled = coalesce(l.cancelled, 0) + s.cancelled
  from sums s
  where l.id = s.lane;
end
$fn$;`
