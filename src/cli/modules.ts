import { statSync } from 'node:fs'
import nodeModule from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import { UsageError } from '../core/errors.ts'
import { suggestion } from '../core/expect.ts'
import { hushSqlite } from './open-store.ts'
import type { AnyHandledTask, AnyTask } from '../task.ts'

/**
 * Imports modules, by path or as packages, and gives the tasks they export: by name, in arrays, as the default or in it.
 * @throws UsageError when there is no such module · Error when importing it fails
 */
export async function importTasks(modules: readonly string[], cwd: string): Promise<readonly AnyTask[]> {
  await hushSqlite() // they may use it too
  const found = new Set<AnyTask>()
  for (const one of modules) for (const task of tasksIn(await load(one, cwd))) found.add(task)
  return [...found]
}

/** Those with a handler. @throws UsageError when there are none */
export function expectHandled(tasks: readonly AnyTask[], modules: readonly string[]): readonly AnyHandledTask[] {
  const handled = tasks.filter(isHandled)
  if (handled.length > 0) return handled
  const names = tasks.map((task) => task.name).join(', ')
  const why = names === '' ? 'no task at all' : `only tasks without a handler (${names}): give them one with .handle(…)`
  throw new UsageError(`Expected ${modules.join(', ')} to export a task with a handler, found ${why}`)
}

/** The task of this name. @throws UsageError with the name that was probably meant */
export function expectTask(tasks: readonly AnyTask[], name: string): AnyTask {
  const named = tasks.filter((task) => task.name === name)
  const found = named.find(isHandled) ?? named[0]
  if (found !== undefined) return found
  const names = tasks.map((task) => task.name)
  const known = names.length === 0 ? ' It exports none.' : ` It exports: ${names.join(', ')}.`
  throw new UsageError(`Expected a task of the module, got "${name}".${suggestion(name, names) || known}`)
}

async function load(module: string, cwd: string): Promise<object> {
  const location = locate(module, cwd)
  try {
    return await importFrom(cwd, location)
  } catch (cause) {
    throw new Error(`Could not import ${module}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** A file if there is one of this path; otherwise a package, as seen from the working directory. */
function locate(module: string, cwd: string): string {
  if (module.startsWith('file:')) return module
  const path = resolve(cwd, module)
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return pathToFileURL(path).href
  if (isAbsolute(module) || /^\.\.?[\\/]/.test(module)) throw new UsageError(`There is no module ${path}`)
  try {
    const found = nodeModule.createRequire(join(cwd, 'package.json')).resolve(module)
    return isAbsolute(found) ? pathToFileURL(found).href : found
  } catch (cause) {
    // It is there, but exports itself to `import` alone.
    if (cause instanceof Error && 'code' in cause && cause.code !== 'MODULE_NOT_FOUND') return module
    throw new UsageError(`There is neither a file ${path} nor a package ${module}`, { cause })
  }
}

/** Imports as a module of that folder would: a package may be installed beside it, and not beside jobferry. */
async function importFrom(folder: string, location: string): Promise<object> {
  const parentURL = pathToFileURL(join(folder, 'package.json')).href
  // Node has hooks from 22.15 on; before, a package must be visible from where jobferry is.
  const hooks = nodeModule.registerHooks?.({
    resolve: (specifier, context, next) =>
      next(specifier, specifier === location ? { ...context, parentURL } : context),
  })
  try {
    const loaded: object = await import(location)
    return loaded
  } finally {
    hooks?.deregister()
  }
}

/** A namespace, an array or the exports of a CommonJS module; one level of each inside the other. */
function tasksIn(exported: object, depth = 0): readonly AnyTask[] {
  return Object.values(exported).flatMap((one: unknown) => {
    if (isTask(one)) return [one]
    const nests = Array.isArray(one) || (isObject(one) && one === Reflect.get(exported, 'default'))
    return nests && depth < 2 ? tasksIn(one, depth + 1) : []
  })
}

/** By its shape, not its origin: the module may have a copy of jobferry of its own. */
function isTask(value: unknown): value is AnyTask {
  if (!isObject(value)) return false
  return (
    typeof Reflect.get(value, 'name') === 'string' &&
    typeof Reflect.get(value, 'queue') === 'string' &&
    typeof Reflect.get(value, 'check') === 'function' &&
    isObject(Reflect.get(value, 'policy'))
  )
}

function isHandled(task: AnyTask): task is AnyHandledTask {
  return 'run' in task && typeof task.run === 'function'
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
