// What the linter cannot say: who may import whom in src/, how long a file may grow, and what it may be called.
import { globSync, readFileSync } from 'node:fs'
import { join, posix, sep } from 'node:path'

const src = join(import.meta.dirname, '../src')
const maxLines = 400
const vagueName = /(?:^|\/)(utils|types\.ts|interfaces\.ts)(?:$|\/)/
const importStatement = /(?:^(?:import|export)\b(?:[^'"`;]*\bfrom)?\s*|\bimport\(\s*)['"]([^'"]+)['"]/gm

/** What several stores share stands in folders that know none of them. */
const sharedBy = [
  ['stores/guest/', ['que', 'sqlq', 'redis-work-queue', 'liteq', 'backlite']],
  ['stores/pg/', ['postgres', 'que', 'sqlq']],
  ['stores/sqlite-file/', ['sqlite', 'liteq', 'backlite']],
  ['stores/redis-client/', ['redis', 'redis-work-queue']],
]

/** What a file may import, by how it begins: a path in src/, or the name of a module. */
function mayImport(file) {
  const [layer, store] = file.split('/')
  if (layer === 'core') return ['core/']
  if (layer === 'runtime') return ['core/', 'runtime/', 'store.ts']
  if (file === 'stores/pg/pg.ts') return ['stores/pg/', 'core/', 'pg'] // loads the driver, when it is needed
  if (file === 'stores/redis-client/connect.ts') return ['stores/redis-client/', 'core/', 'ioredis', 'redis'] // as much
  const shared = sharedBy.filter(([, stores]) => stores.includes(store)).map(([folder]) => folder)
  if (layer === 'stores') return ['core/', 'store.ts', 'migrate.ts', `stores/${store}/`, ...shared, 'node:']
  if (file === 'store.ts' || file === 'awaitable.ts') return ['core/', 'store.ts']
  return [''] // anything
}

const mayTellTime = (file) => file === 'runtime/clock.ts' || file.startsWith('cli/')

function* complaints(file, text) {
  const vague = vagueName.exec(file)?.[1]
  if (vague) yield `${file}: "${vague}" says nothing; name it for its one noun or verb`
  if (file.endsWith('.test.ts')) return

  const lines = text.split('\n').length - 1
  if (lines > maxLines) yield `${file}: ${lines} lines, where ${maxLines} is the most`

  // Examples in comments may do as they like. Their lines are emptied, not removed, so that the numbers hold.
  const code = text.replace(/^[ \t]*(\/\*|\*|\/\/).*$/gm, '')
  const at = (match) => `${file}:${code.slice(0, match.index + match[0].length).split('\n').length}`

  for (const match of code.matchAll(importStatement)) {
    const target = match[1].startsWith('.') ? posix.join(posix.dirname(file), match[1]) : match[1]
    const allowed = mayImport(file)
    if (!allowed.some((beginning) => target.startsWith(beginning)))
      yield `${at(match)}: imports ${target}, but may import only ${allowed.join(', ')}`
  }
  if (mayTellTime(file)) return
  for (const match of code.matchAll(/\bnew Date\(\)/g))
    yield `${at(match)}: asks the system for the time; ask the clock`
}

/** The dashboard's page shares the shapes of what goes over the wire, and no code: whatever it imported would be shipped to browsers. */
function* pageComplaints(file, text) {
  const lines = text.split('\n').length - 1
  if (lines > maxLines) yield `${file}: ${lines} lines, where ${maxLines} is the most`
  for (const [statement, target] of text.matchAll(importStatement))
    if (target.includes('../src/') && !statement.startsWith('import type'))
      yield `${file}: imports ${target}, but may import only types of it`
}

for (const path of globSync('dashboard/src/**/*.{ts,tsx}', { cwd: join(src, '..') }).toSorted()) {
  for (const complaint of pageComplaints(path, readFileSync(join(src, '..', path), 'utf8'))) {
    console.error(complaint)
    process.exitCode = 1
  }
}

for (const path of globSync('**/*.ts', { cwd: src }).toSorted()) {
  for (const complaint of complaints(path.replaceAll(sep, '/'), readFileSync(join(src, path), 'utf8'))) {
    console.error(`src/${complaint}`)
    process.exitCode = 1
  }
}
