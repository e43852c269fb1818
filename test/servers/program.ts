import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'

import type { Account } from './account.ts'
import { childrenOf, gone } from './running.ts'

/** What to run, and how. */
export interface ProgramOptions {
  readonly command: string
  readonly args: readonly string[]
  /** Where it runs, and what it may therefore always enter. */
  readonly folder: string
  readonly account?: Account
  /** The file to which all that it prints is added. */
  readonly log: string
  /** What it is sent when we die, however we die. */
  readonly deathSignal: 'SIGQUIT' | 'SIGKILL'
}

/**
 * A server that runs, and that cannot outlive us: the kernel sends it `deathSignal` when the thread that started it ends, be it by SIGKILL.
 * (Where there is no `setpriv`, outside Linux, that is missing.)
 */
export class Program {
  readonly pid: number
  readonly #process: ChildProcess
  readonly #log: string
  readonly #ended: Promise<unknown>

  private constructor(process: ChildProcess, pid: number, log: string) {
    this.#process = process
    this.pid = pid
    this.#log = log
    this.#ended = new Promise((resolve) => process.once('exit', resolve))
  }

  /** @throws Error if the command cannot be run */
  static async start({ command, args, folder, account, log, deathSignal }: ProgramOptions): Promise<Program> {
    const out = openSync(log, 'a')
    try {
      const child = spawn(...mortal(command, args, deathSignal), {
        cwd: folder,
        stdio: ['ignore', out, out],
        ...account,
      })
      await once(child, 'spawn')
      child.unref() // whoever forgets to stop it can still end
      return new Program(child, child.pid!, log)
    } finally {
      closeSync(out)
    }
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** What it has printed, the last lines. */
  get lastWords(): string {
    return readFileSync(this.#log, 'utf8').trimEnd().split('\n').slice(-12).join('\n')
  }

  /** Sends a signal that ends it, and resolves when it and all the processes it had started are gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.running) return
    const family = [this.pid, ...childrenOf(this.pid)]
    this.#process.ref()
    this.#process.kill(signal)
    this.#process.kill('SIGCONT') // one that a test has stopped would not hear the other
    await this.#ended
    await gone(family)
  }
}

/** setpriv puts the command in its own place, so that the number of the process is that of the command. */
function mortal(command: string, args: readonly string[], deathSignal: string): [command: string, args: string[]] {
  const setpriv = '/usr/bin/setpriv'
  if (!existsSync(setpriv)) return [command, [...args]]
  return [setpriv, ['--pdeathsig', deathSignal.slice('SIG'.length), '--', command, ...args]]
}
