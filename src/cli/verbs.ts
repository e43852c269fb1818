import type { Verb } from './verb.ts'
import { adopt } from './verbs/adopt.ts'
import { cancel } from './verbs/cancel.ts'
import { dashboardVerb } from './verbs/dashboard.ts'
import { remove } from './verbs/delete.ts'
import { doctor } from './verbs/doctor.ts'
import { edit } from './verbs/edit.ts'
import { enqueue } from './verbs/enqueue.ts'
import { makeHelp } from './verbs/help.ts'
import { list } from './verbs/list.ts'
import { logs } from './verbs/logs.ts'
import { migrate } from './verbs/migrate.ts'
import { pause } from './verbs/pause.ts'
import { prune } from './verbs/prune.ts'
import { resume } from './verbs/resume.ts'
import { retry } from './verbs/retry.ts'
import { show } from './verbs/show.ts'
import { stats } from './verbs/stats.ts'
import { work } from './verbs/work.ts'
import { workers } from './verbs/workers.ts'

const others: readonly Verb[] = [
  work,
  enqueue,
  stats,
  workers,
  list,
  show,
  logs,
  retry,
  cancel,
  edit,
  remove,
  pause,
  resume,
  prune,
  adopt,
  migrate,
  doctor,
  dashboardVerb,
]

/** All verbs, in the order in which the help shows them. */
export const verbs: readonly Verb[] = [...others, makeHelp(others)]
