import { StoreError } from '../core/errors.ts'
import type { Jobs } from '../jobs.ts'
import type { Logger } from '../logger.ts'
import { schemeOf } from '../schemes.ts'
import { masked } from '../secrets.ts'
import { onlyGiven, type Values } from './options.ts'
import type { Peek } from './peek.ts'
import type { Terminal } from './terminal.ts'
import { storeUrls } from './url.ts'
import type { Globals } from './verb.ts'

/** The part of a call that says which store, whatever the verb. */
export interface StoreCall {
  readonly values: Pick<Values<Globals>, 'url' | 'prefix' | 'allow-unsafe-sqlite'>
  readonly terminal: Terminal
}

/** What is known of the store that a URL names, before it is opened. */
export interface Place {
  /** As it may be printed. */
  readonly shown: string
  /** Of a SQLite file; `undefined` for other stores. */
  readonly peek: Peek | undefined
}

/** Opens the store, makes its tables if need be, and closes it after use. */
export async function withNewStore<T>(call: StoreCall, use: (jobs: Jobs) => Promise<T>, logger?: Logger): Promise<T> {
  return await withStore(call, true, use, logger)
}

/**
 * Opens a store that is there already, and closes it after use. Makes no file and changes no table.
 * @throws Error saying what is missing, or whose file it is
 */
export async function withStoreThere<T>(call: StoreCall, use: (jobs: Jobs) => Promise<T>): Promise<T> {
  for (const place of await places(call)) expectOurs(place)
  // Jobs in memory begin anew with each process: there is nothing that an absence of tables could mean.
  return await withStore(
    call,
    urlsOf(call).every((url) => schemeOf(url).inMemory?.(url)),
    use,
  )
}

/** Looks at the store's files, in the order of their URLs; opens none of them for writing. */
export async function places(call: StoreCall): Promise<readonly Place[]> {
  await hushSqlite()
  const { peek } = await import('./peek.ts')
  return urlsOf(call).map((url) => {
    const file = schemeOf(url).file?.(url)
    return {
      shown: masked(url),
      peek: file === undefined ? undefined : peek(file, call.values.prefix ?? 'jobferry_'),
    }
  })
}

/** The store's URLs as they may be printed. */
export function shownUrls(call: StoreCall): string {
  return urlsOf(call).map(masked).join(' ')
}

/** @throws Error unless the file is there and has tables of ours in our version */
export function expectOurs({ shown, peek }: Place): void {
  if (peek?.kind === 'missing')
    throw new Error(`There is no file ${shown}. Check the path, or make it with jobferry migrate`)
  if (peek?.kind === 'unreadable') throw new Error(`${shown} cannot be read: ${peek.why}`)
  if (peek === undefined || peek.version === peek.known) return
  if (peek.version === 0)
    throw new Error(`${shown} is not a jobferry file: it has no tables of ours. Add them with jobferry migrate`)
  const remedy = peek.version > peek.known ? 'Update jobferry' : 'Run jobferry migrate'
  throw new Error(`${shown} has schema version ${peek.version}, but this jobferry knows ${peek.known}. ${remedy}`)
}

async function withStore<T>(
  call: StoreCall,
  migrate: boolean,
  use: (jobs: Jobs) => Promise<T>,
  logger?: Logger,
): Promise<T> {
  const jobs = await openAll(call, migrate, logger)
  try {
    return await use(jobs)
  } finally {
    await jobs.close()
  }
}

/** @throws StoreError that names the store · UsageError for a URL that is none */
async function openAll(call: StoreCall, migrate: boolean, logger: Logger | undefined): Promise<Jobs> {
  const urls = urlsOf(call)
  await hushSqlite()
  const { open } = await import('../open.ts')
  try {
    return await open(urls.length === 1 ? (urls[0] ?? '') : urls, {
      migrate,
      logger: logger ?? false,
      ...onlyGiven({ prefix: call.values.prefix, allowUnsafeSqlite: call.values['allow-unsafe-sqlite'] }),
    })
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause
    const { retryable } = cause
    throw new StoreError(`Could not open ${shownUrls(call)}: ${cause.message}`, { retryable, cause })
  }
}

function urlsOf({ values, terminal }: StoreCall): readonly string[] {
  return storeUrls(values.url, terminal.io.env)
}

/** Loads node:sqlite without the warning by which Node 22 calls it experimental. All other warnings are shown. A second call joins the first. */
export async function hushSqlite(): Promise<void> {
  await (sqlite ??= loadHushed())
}

let sqlite: Promise<void> | undefined

async function loadHushed(): Promise<void> {
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = (warning: string | Error, ...rest: unknown[]) => {
    if (!String(warning).includes('SQLite')) Reflect.apply(emitWarning, process, [warning, ...rest])
  }
  try {
    await import('node:sqlite')
  } finally {
    process.emitWarning = emitWarning
  }
}
