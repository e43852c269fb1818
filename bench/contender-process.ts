import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { EngineContender } from './engine.ts'
import type { Answer, Order, Picked } from './orders.ts'

/** Why there is no figure. `absent`: the contender has no such verb, which is no fault. */
export class NoFigure extends Error {
  override readonly name = 'NoFigure'
  readonly absent: boolean
  constructor(why: string, absent: boolean) {
    super(why)
    this.absent = absent
  }
}

/** One contender at work in a process of its own. Started by the first order; after a failure the next order starts another. */
export class ContenderProcess {
  readonly name: string
  /** Called when a worker in it picks a job up. */
  onPicked: (picked: Picked) => void = () => undefined
  readonly #file: string
  #child: Promise<ChildProcess> | undefined

  constructor({ name, file }: EngineContender) {
    this.name = name
    this.#file = file
  }

  /** @throws NoFigure when the contender cannot, fails, dies, or takes longer than `limitMs` */
  async ask(order: Order, limitMs: number): Promise<readonly number[]> {
    this.#child ??= this.#start()
    const child = await this.#child
    const reply = await new Promise<Answer>((resolve) => {
      const failed = (why: string): void => done({ ok: false, absent: false, why })
      const timer = setTimeout(() => failed(`took longer than ${limitMs / 1_000} s`), limitMs)
      const exited = (code: number | null): void => failed(`its process ended with ${code}`)
      const heard = (message: Answer | Picked): void => {
        if (!('picked' in message)) done(message)
      }
      const done = (reached: Answer): void => {
        clearTimeout(timer)
        child.off('message', heard)
        child.off('exit', exited)
        resolve(reached)
      }
      child.on('message', heard)
      child.on('exit', exited)
      child.send(order, (error) => error && failed(error.message))
    })
    if (reply.ok) return reply.numbers
    if (!reply.absent) await this.end()
    throw new NoFigure(reply.why, reply.absent)
  }

  /** Kills the process: its stores are thrown away anyway. */
  async end(): Promise<void> {
    const child = await this.#child?.catch(() => undefined)
    this.#child = undefined
    child?.removeAllListeners()
    child?.kill('SIGKILL')
  }

  #start(): Promise<ChildProcess> {
    const { promise, resolve, reject } = Promise.withResolvers<ChildProcess>()
    const child = fork(join(import.meta.dirname, 'runner.ts'), [this.#file], {
      execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    })
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4_000)))
    child.once('message', () => resolve(child))
    child.once('exit', () => {
      this.#child = undefined
      reject(new NoFigure(`could not start: ${/^\w*Error.*$/m.exec(said)?.[0] ?? said.trim()}`, false))
    })
    child.on('message', (message: Answer | Picked) => {
      if (typeof message === 'object' && 'picked' in message) this.onPicked(message)
    })
    return promise
  }
}
