import { join } from 'node:path'

/** What there is to measure on one kind of store. */
export interface Engine {
  readonly name: string
  /** In the order of the table; the first is ours, the second the raw limit. Files in contenders/. */
  readonly contenders: readonly EngineContender[]
  /** A store that nobody has used yet, in the run's own folder. */
  place(folder: string, n: number): string
}

export interface EngineContender {
  /** As in the table and the JSON. */
  readonly name: string
  readonly file: string
  /** Needs what bench/package.json installs. */
  readonly peer: boolean
}

const sqlite: Engine = {
  name: 'sqlite',
  contenders: [
    { name: 'ours', file: 'ours', peer: false },
    { name: 'raw', file: 'raw-node-sqlite', peer: false },
    { name: 'raw better-sqlite3', file: 'raw-better-sqlite3', peer: true },
    { name: 'plainjob', file: 'plainjob', peer: true },
    { name: 'liteque', file: 'liteque', peer: true },
  ],
  place: (folder, n) => join(folder, `${n}.db`),
}

export const engines: ReadonlyMap<string, Engine> = new Map([sqlite].map((engine) => [engine.name, engine]))
