import { setTimeout as sleep } from 'node:timers/promises'

import { Chance } from './chance.ts'
import { isStall, killPoints, type Point, stallPoints, usualPasses } from './failpoints.ts'
import type { Fleet, Member } from './fleet.ts'
import { leastFired, type Part, type Plan, type Role, slots } from './plan.ts'

/** What was done to the fleet, beside what its ends tell. */
export interface Deeds {
  readonly stops: number
  readonly terms: number
}

/** The share of the kills that processes inflict on themselves at failpoints. */
const pointShare = 0.65

/** How many more kills may be made than the work done so far asks for. They are spread evenly over the first nine tenths of the work. */
const ahead = 4
const spread = 0.9

/** After so long without a job done, the work waits for kills that do not come. */
const stillMs = 1_000

/** Kills, stops and arms the members of a fleet. The kills keep pace with the work, so that they hit workers that work. */
export class Nemesis {
  readonly #plan: Plan
  readonly #fleet: Fleet
  readonly #chance: Chance
  #stops = 0
  #terms = 0
  #progress = 0
  #progressAt = Date.now()

  constructor(plan: Plan, fleet: Fleet) {
    this.#plan = plan
    this.#fleet = fleet
    this.#chance = new Chance(plan.seed).of('nemesis')
  }

  /** How many SIGKILLs were made, from outside and at failpoints. */
  get kills(): number {
    return this.#fleet.ends.filter(({ cause }) => cause === 'killed' || cause === 'failpoint').length
  }

  get deeds(): Deeds {
    return { stops: this.#stops, terms: this.#terms }
  }

  /** A deed, if one is due. */
  strike(): void {
    if (!this.#strikeDue()) return
    const deed = this.#chance.weighted({ worker: 45, producer: 5, stop: 25, term: 25 })
    switch (deed) {
      case 'worker':
      case 'producer': {
        const victim = this.#victim(deed)
        if (victim === undefined) return
        this.#fleet.signal(victim, 'SIGKILL')
        return
      }
      case 'stop':
        void this.#stop()
        return
      case 'term': {
        const victim = this.#victim('worker')
        if (victim === undefined || victim.stopped) return
        this.#terms++
        this.#fleet.signal(victim, 'SIGTERM')
      }
    }
  }

  /** How the next process of this role is to be armed: most are, at the point that has fired least. */
  arm(role: Role): Part['arm'] {
    const candidates = this.#candidates(role)
    const firing = [...this.#fleet.ends.map((end) => end.point), ...this.#armed().map(({ part }) => part.arm?.point)]
    const seen = (one: Point): number => firing.filter((other) => other === one).length
    const least = Math.min(...candidates.map(seen))
    const point = this.#chance.pick(candidates.filter((one) => seen(one) === least))
    if (point === undefined) return undefined
    const wanting = least <= leastFired(this.#plan) * 1.5
    if (!wanting && !isStall(point) && (this.#chance.next() < 0.15 || !this.#armDue())) return undefined
    return { point, pass: this.#chance.between(1, Math.min(usualPasses(point), this.#plan.kills)) }
  }

  /** Either points to die at, or, for one worker in four, points to stall at. */
  #candidates(role: Role): readonly Point[] {
    const wanted = (point: Point): boolean => this.#plan.points?.includes(point) ?? true
    const deaths = killPoints[role].filter(wanted)
    const stalls = role === 'worker' ? stallPoints.filter(wanted) : []
    return deaths.length === 0 || (stalls.length > 0 && this.#chance.next() < 0.25) ? stalls : deaths
  }

  /** The share of all jobs that is done, from 0 to 1. */
  saw(progress: number): void {
    if (progress === this.#progress) return
    this.#progress = progress
    this.#progressAt = Date.now()
  }

  /** When nothing moves nobody comes to a failpoint: then those who are armed count no more. */
  #strikeDue(): boolean {
    const dying = [...this.#fleet.members].filter(({ sent }) => sent === 'SIGKILL').length
    return this.kills + dying + (this.#still() ? 0 : this.#suicidal()) < this.#asked(ahead)
  }

  #still(): boolean {
    return this.#progress === 1 || Date.now() - this.#progressAt > stillMs
  }

  #armDue(): boolean {
    const atPoints = this.#fleet.ends.filter(({ cause }) => cause === 'failpoint').length
    return atPoints + this.#suicidal() < this.#asked(3 * ahead) * pointShare
  }

  /** Those that were armed, whether or not they have stalled by now. */
  #armed(): readonly Member[] {
    return [...this.#fleet.members].filter(({ part, sent }) => part.arm !== undefined && sent === undefined)
  }

  /** How many are to kill themselves, and have not yet. */
  #suicidal(): number {
    return this.#armed().filter(({ part }) => part.arm !== undefined && !isStall(part.arm.point)).length
  }

  /** How many kills the work done so far asks for. */
  #asked(more: number): number {
    const progress = this.#still() ? 1 : this.#progress
    return Math.min(this.#plan.kills, (this.#plan.kills * progress) / spread + more)
  }

  /** Somebody who works; rather not one that will die by itself. */
  #victim(role: Role): Member | undefined {
    const working = this.#fleet
      .of(role)
      .filter(({ ran, ready, sent }) => (ran || (ready && this.#still())) && sent === undefined)
    const unarmed = working.filter(({ part }) => part.arm === undefined)
    return this.#chance.pick(unarmed.length > 0 && this.#chance.next() < 0.8 ? unarmed : working)
  }

  async #stop(): Promise<void> {
    const victim = this.#victim('worker')
    const stopped = this.#fleet.of('worker').filter((member) => member.stopped).length
    if (victim === undefined || victim.stopped || stopped >= slots.worker / 3) return
    this.#stops++
    this.#fleet.stop(victim)
    await sleep(this.#plan.leaseMs * (1.5 + this.#chance.next()))
    this.#fleet.goOn(victim)
  }
}
