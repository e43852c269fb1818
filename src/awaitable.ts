import type { Awaitable } from './store.ts'

/** Goes on with a value at once if it is there, and with a promise's value when it comes: what is synchronous stays so. */
export function andThen<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}
