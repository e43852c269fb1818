import { pgBoss } from './pg-boss.ts'

/** pg-boss as it comes. */
export default pgBoss('pg-boss-defaults', { boss: () => ({}), queue: () => ({}), batch: undefined })
