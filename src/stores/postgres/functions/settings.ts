/**
 * How every function of ours is run. The plans are those for a table of any size: with the statistics of an empty table, PostgreSQL would
 * read all of a full one (docs/decisions/007-plans.md). Compiling (jit) takes longer than any of it runs.
 */
export const plainPlans: string = `
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off
  set enable_bitmapscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set enable_sort = off
  set plan_cache_mode = force_generic_plan
  set jit = off`

/** A function that only functions of ours call runs under the settings of its caller: setting them anew costs 15 µs each time. */
export const callersPlans = ''
