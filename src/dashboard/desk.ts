import type { Capability } from '../core/capability.ts'
import type { Ferry } from '../ferry.ts'
import { ferryOf, type Jobs } from '../jobs.ts'
import { Operations } from './operations.ts'
import { Refusal } from './problem.ts'
import type { Settings } from './options.ts'
import type { Access, Action } from './shapes.ts'
import { Watch } from './watch.ts'

/** What the routes of one dashboard share. */
export class Desk {
  readonly jobs: Jobs
  readonly ferry: Ferry
  readonly settings: Settings
  readonly watch: Watch
  readonly operations: Operations

  constructor(jobs: Jobs, settings: Settings) {
    this.jobs = jobs
    this.ferry = ferryOf(jobs)
    this.settings = settings
    this.watch = new Watch(this.ferry, settings.onError)
    this.operations = new Operations(
      this.ferry,
      settings.redact,
      (operation) => {
        this.watch.tell({ event: 'operation', data: operation })
        this.watch.nudge()
      },
      settings.onError,
    )
  }

  /** What can be done here at all with this access: exactly what a page should offer. */
  actions(access: Access): readonly Action[] {
    const looking = lookActions.filter((action) => this.#can(action))
    if (access === 'none') return []
    return access === 'read' ? looking : [...looking, ...fullActions.filter((action) => this.#can(action))]
  }

  /** @throws Refusal 501 for what the store cannot do */
  expectAction(action: Action): void {
    if (this.#can(action)) return
    throw new Refusal(501, 'unsupported', `The ${this.jobs.storeName} store cannot do this: ${action}.`)
  }

  close(): void {
    this.operations.close()
    this.watch.close()
  }

  #can(action: Action): boolean {
    const needed = needs[action]
    return needed === undefined || this.jobs.capabilities.has(needed)
  }
}

const lookActions: readonly Action[] = ['list', 'search', 'logs', 'workers']

const fullActions: readonly Action[] = [
  'enqueue',
  'retry',
  'cancel',
  'delete',
  'run',
  'edit',
  'edit-attempts',
  'pause',
  'limits',
  'bulk',
]

/** What an action needs of a store. */
const needs: Readonly<Partial<Record<Action, Capability>>> = {
  list: 'inspect',
  search: 'inspect',
  logs: 'logs',
  workers: 'workers',
  cancel: 'cancel',
  run: 'schedule',
  'edit-attempts': 'policy',
  pause: 'pause',
  limits: 'limits',
}
