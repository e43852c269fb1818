import type { Kind, Payload } from './kinds.ts'
import type { Change } from './tape.ts'

const [pending, running, completed, failed, cancelled] = [0, 1, 2, 3, 4]

/** What the tape says of one job. */
export interface Life {
  readonly id: string
  readonly kind: Kind
  readonly payload: Payload
  state: number
  attempt: number
  maxAttempts: number
  /** Every lease it was held under, and by whom. */
  readonly leases: Map<string, string>
  /** The lease under which it was completed. */
  completedUnder: string | undefined
  /** How often it was taken back from somebody. */
  rescues: number
  claimedAt: number
  /** When the lease before the present one had ended, or could no longer be valid. */
  freeFrom: number
  cancelAsked: boolean
}

/** A lease that was ended by somebody else, because it had run out. */
export interface Rescue {
  readonly who: string
  readonly job: string
  readonly until: number
  readonly at: number
}

export type Complain = (rule: Rule, text: string) => void

/** What a run is judged by. */
export type Rule =
  | 'lost'
  | 'effects'
  | 'fence'
  | 'leases'
  | 'attempts'
  | 'states'
  | 'keys'
  | 'cancellation'
  | 'batches'
  | 'counters'
  | 'integrity'
  | 'processes'
  | 'coverage'

/** Follows the tape from its beginning to its end, and complains of each change that should not have been. */
export class Lives {
  readonly byId = new Map<string, Life>()
  readonly rescues: Rescue[] = []
  readonly #leaseMs: number
  readonly #complain: Complain
  readonly #holders = new Map<string, string>()
  readonly #heldBy = new Map<string, string>()
  readonly #runningOfKey = new Map<string, string>()

  /** @param leaseMs in the time of the fleet */
  constructor(leaseMs: number, complain: Complain) {
    this.#leaseMs = leaseMs
    this.#complain = complain
  }

  follow(change: Change): void {
    const [time, who = '', call = ''] = change.witness.split(' ')
    const at = Number(time)
    const life = this.#lifeOf(change)
    if (life === undefined) return
    this.#followKeys(change)
    this.#followState(change, life)
    if (change.wasState === pending && change.state === running) this.#followClaim(change, life, at, who)
    if (change.wasState === running && change.state === running) this.#followHold(change, life, who)
    if (change.wasState === running && change.state !== running) this.#followEnd(change, life, { at, who, call })
    life.state = change.state ?? (change.wasState === running ? completed : life.state)
    life.attempt = change.attempt ?? life.attempt
    life.maxAttempts = change.maxAttempts ?? life.maxAttempts
    if (change.cancel !== null) life.cancelAsked = true
  }

  #lifeOf(change: Change): Life | undefined {
    const known = this.byId.get(change.job)
    if (known !== undefined) return known
    if (change.wasState !== null || change.payload === null) {
      this.#complain('states', `job ${change.job} changes before there was one`)
      return undefined
    }
    const payload = JSON.parse(change.payload) as Payload
    const born: Life = {
      id: change.job,
      kind: payload.kind,
      payload,
      state: pending,
      attempt: 0,
      maxAttempts: 0,
      leases: new Map(),
      completedUnder: undefined,
      rescues: 0,
      claimedAt: 0,
      freeFrom: 0,
      cancelAsked: false,
    }
    this.byId.set(change.job, born)
    return born
  }

  #followState({ job, wasState, state, wasRev, rev, wasLease, lease }: Change, life: Life): void {
    const step = `${wasState ?? 'none'}→${state ?? 'none'}`
    if (!steps.has(step)) this.#complain('states', `job ${job} went ${step}`)
    if (wasState !== null && wasState !== life.state) this.#complain('states', `the tape of job ${job} has a gap`)
    const moved = wasState !== state || wasLease !== lease
    if (wasRev !== null && rev !== null && (rev < wasRev || (moved && rev !== wasRev + 1)))
      this.#complain('fence', `job ${job} went ${step} from revision ${wasRev} to ${rev}`)
  }

  #followClaim({ job, lease, wasAttempt, attempt, until, runAt }: Change, life: Life, at: number, who: string): void {
    if (lease === null || until === null || life.leases.has(lease)) {
      this.#complain('leases', `job ${job} was claimed under no new lease`)
      return
    }
    if (at < life.freeFrom)
      this.#complain(
        'leases',
        `job ${job} was claimed ${life.freeFrom - at} ms before its lease had ended: two at once`,
      )
    if (attempt !== (wasAttempt ?? 0) + 1) this.#complain('attempts', `a claim of job ${job} was not counted`)
    if ((attempt ?? 0) > life.maxAttempts) this.#complain('attempts', `job ${job} was claimed after its last attempt`)
    if (at < (runAt ?? 0)) this.#complain('states', `job ${job} was claimed before it was due`)
    if (life.cancelAsked) this.#complain('cancellation', `job ${job} was claimed after it was cancelled`)
    life.leases.set(lease, who)
    life.claimedAt = at
  }

  /** Nobody takes what another holds. A store may only put what it has itself taken, and has never heard of, under the lease of its next claim. */
  #followHold({ job, wasLease, lease, wasUntil, until }: Change, life: Life, who: string): void {
    if (wasLease !== lease) {
      if (lease === null || life.leases.has(lease) || life.leases.get(wasLease ?? '') !== who)
        this.#complain('leases', `job ${job} was claimed while it ran`)
      else life.leases.set(lease, who)
    }
    if (wasUntil === until || until === null || wasUntil === null) return
    if (until < wasUntil) this.#complain('leases', `the lease of job ${job} was made shorter`)
    if (until - this.#leaseMs >= wasUntil)
      this.#complain('leases', `the lease of job ${life.id} was renewed after it had run out`)
  }

  #followEnd(change: Change, life: Life, by: { at: number; who: string; call: string }): void {
    const { job, state, wasLease, wasUntil, failure, wasAttempt, attempt } = change
    const holder = life.leases.get(wasLease ?? '') ?? 'nobody'
    const until = wasUntil ?? 0
    life.freeFrom = Math.min(by.at, until)
    if (by.call === 'rescue') {
      if (by.at < until)
        this.#complain('leases', `job ${job} was taken from ${holder} ${until - by.at} ms before its lease ran out`)
      life.rescues++
      this.rescues.push({ who: holder, job, until, at: by.at })
    } else if (by.who !== holder) this.#complain('fence', `${by.who} ended the run of job ${job} that ${holder} held`)
    if (state === null || state === completed) life.completedUnder = wasLease ?? undefined
    if (state !== pending) return
    const expected = failure === null ? (wasAttempt ?? 0) - 1 : wasAttempt
    if (attempt !== expected)
      this.#complain('attempts', `job ${job} waits again with ${attempt} attempts, not ${expected}`)
  }

  /** At most one holder of a unique key, at most one run of a concurrency key. */
  #followKeys({ job, held, state, wasState, concurrencyKey }: Change): void {
    const before = this.#heldBy.get(job)
    if (before !== undefined && before !== held) {
      this.#holders.delete(before)
      this.#heldBy.delete(job)
    }
    if (held !== null) {
      const holder = this.#holders.get(held)
      if (holder !== undefined && holder !== job)
        this.#complain('keys', `${holder} and ${job} hold the unique key ${held}`)
      this.#holders.set(held, job)
      this.#heldBy.set(job, held)
    }
    if (concurrencyKey === null) return
    const runs = this.#runningOfKey.get(concurrencyKey)
    if (state === running && runs !== undefined && runs !== job)
      this.#complain('keys', `${runs} and ${job} run with the concurrency key ${concurrencyKey}`)
    if (state === running) this.#runningOfKey.set(concurrencyKey, job)
    else if (wasState === running && runs === job) this.#runningOfKey.delete(concurrencyKey)
  }
}

/** All that may happen to a job; a fleeting one is gone when it completes. */
const steps: ReadonlySet<string> = new Set([
  `none→${pending}`,
  `${pending}→${pending}`,
  `${pending}→${running}`,
  `${pending}→${cancelled}`,
  `${running}→${running}`,
  `${running}→${pending}`,
  `${running}→${completed}`,
  `${running}→${failed}`,
  `${running}→${cancelled}`,
  `${running}→none`,
  `${completed}→${completed}`,
])
