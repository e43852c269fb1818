import type { Instant } from '../../core/job.ts'
import type { ClaimRequest } from '../../store.ts'

/** A claim that may have taken jobs of which nobody knows. */
export interface Debt {
  readonly lease: string
  readonly until: Instant
  /** What was asked for: only who asks for the same may be given it. */
  readonly kind: string
}

/** Claims whose answers were lost, with everything that could have told of them: what they took is handed out by later ones, not left to the lease. */
export class Debts {
  #all: readonly Debt[] = []

  /** Those that a claim may be given, and whose leases have not run out. */
  of(request: ClaimRequest): readonly Debt[] {
    if (this.#all.length === 0) return this.#all
    this.#all = this.#all.filter(({ until }) => until > request.now)
    const kind = kindOf(request)
    return this.#all.filter((debt) => debt.kind === kind)
  }

  owe(request: ClaimRequest): void {
    const { lease, until } = request
    this.#all = [...this.#all.filter((debt) => debt.lease !== lease), { lease, until, kind: kindOf(request) }]
  }

  /** There is nothing more to be had of them. */
  paid(leases: readonly string[]): void {
    if (this.#all.length > 0) this.#all = this.#all.filter(({ lease }) => !leases.includes(lease))
  }
}

function kindOf({ tasks, queues }: ClaimRequest): string {
  return JSON.stringify([tasks === undefined ? null : [...tasks.keys()], queues ?? null])
}
