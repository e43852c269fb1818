import { UsageError } from '../core/errors.ts'
import { expectFunction, expectKnown, show } from '../core/expect.ts'
import type { AnyTask } from '../task.ts'
import { type Authorize, TokenAccess, type Tokens } from './access.ts'
import { loopbackHosts } from './guard.ts'
import type { Redact } from './redact.ts'

/** How a dashboard is mounted, and who may use it. Exactly one of `authorize` and `tokens` must be given: nothing is open by mistake. */
export interface DashboardOptions {
  /** The path it is mounted at, as the browser sees it: `/jobs`. Default `/`. Requests may come with it or already without. */
  readonly basePath?: string
  /**
   * Says what a request may do: `'none'`, `'read'` or `'full'`. For applications that know their users; for local use, `() => 'full'`. If it
   * throws, nothing. It must leave the request's body alone.
   */
  readonly authorize?: Authorize
  /** Access by tokens instead. The page asks for one. */
  readonly tokens?: Tokens
  /**
   * The names that the dashboard answers to, as they stand in the address bar: `jobs.example.com`, or with a port, `jobs.example.com:8443`; without, any port.
   * Default: localhost, 127.0.0.1 and [::1]. `'any'` gives up the protection against DNS rebinding, which matters where access depends
   * on nothing that the browser holds for this name alone.
   */
  readonly hosts?: readonly string[] | 'any'
  /** Gives what may be shown of payloads, results, failures and log lines. Default: all of them. */
  readonly redact?: Redact
  /** Tasks that the dashboard may know: they are offered for an enqueue by hand, and their schemas checked. */
  readonly tasks?: readonly AnyTask[]
  /** Hears of what went wrong inside; the browser is told nothing of it. Default: console.error. */
  readonly onError?: (error: unknown) => void
}

/** The options with every default filled in. */
export interface Settings {
  /** Begins and ends with a slash. */
  readonly base: string
  readonly authorize: Authorize | TokenAccess
  readonly hosts: readonly string[] | 'any'
  readonly redact: Redact | undefined
  /** By name. */
  readonly tasks: ReadonlyMap<string, AnyTask>
  readonly onError: (error: unknown) => void
}

/** @throws UsageError for an unknown option or a bad value */
export function toSettings(options: DashboardOptions): Settings {
  expectKnown(options, ['basePath', 'authorize', 'tokens', 'hosts', 'redact', 'tasks', 'onError'], 'dashboard()')
  const { redact, onError } = options
  if (redact !== undefined) expectFunction(redact, 'redact')
  if (onError !== undefined) expectFunction(onError, 'onError')
  return {
    base: toBase(options.basePath ?? '/'),
    authorize: toAuthorize(options),
    hosts: toHosts(options.hosts ?? loopbackHosts),
    redact,
    tasks: toTasks(options.tasks ?? []),
    onError: quiet(onError ?? ((error) => console.error('jobferry: error in the dashboard:', error))),
  }
}

/** What listens to errors must not make more of them: there is nobody left to tell. */
function quiet(onError: (error: unknown) => void): (error: unknown) => void {
  return (error) => {
    try {
      onError(error)
    } catch {
      // said above
    }
  }
}

function toBase(path: unknown): string {
  if (typeof path !== 'string' || !/^\/[\w./~-]*$/.test(path) || /\/\/|(^|\/)\.\.?(\/|$)/.test(path))
    throw new UsageError(`Expected \`basePath\` to be a path like /jobs, got ${show(path)}`)
  return path.endsWith('/') ? path : `${path}/`
}

function toAuthorize({ authorize, tokens }: DashboardOptions): Authorize | TokenAccess {
  if (authorize !== undefined && tokens !== undefined)
    throw new UsageError('Expected `authorize` or `tokens`, got both')
  if (tokens !== undefined) {
    expectKnown(tokens, ['full', 'read'], '`tokens`')
    return new TokenAccess(tokens)
  }
  if (authorize === undefined) {
    throw new UsageError(
      "Expected `authorize` or `tokens`: who may see payloads and steer jobs? For local use alone, authorize: () => 'full'",
    )
  }
  expectFunction(authorize, 'authorize')
  return authorize
}

function toHosts(hosts: unknown): readonly string[] | 'any' {
  if (hosts === 'any') return hosts
  if (!Array.isArray(hosts) || hosts.length === 0)
    throw new UsageError(`Expected \`hosts\` to be a list of names or 'any', got ${show(hosts)}`)
  return hosts.map((host: unknown) => {
    if (typeof host === 'string' && /^(\[[\da-f:.]+\]|[\w.-]+)(:\d{1,5})?$/i.test(host)) return host.toLowerCase()
    throw new UsageError(`Expected \`hosts\` to hold names like jobs.example.com or localhost:7070, got ${show(host)}`)
  })
}

function toTasks(tasks: readonly AnyTask[]): ReadonlyMap<string, AnyTask> {
  if (!Array.isArray(tasks)) throw new UsageError(`Expected \`tasks\` to be a list of tasks, got ${show(tasks)}`)
  for (const task of tasks)
    if (typeof task?.check !== 'function')
      throw new UsageError(`Expected \`tasks\` to hold tasks made by task(…), got ${show(task)}`)
  return new Map(tasks.map((task) => [task.name, task]))
}
