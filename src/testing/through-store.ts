import type { Store } from '../store.ts'

/** A call to a store: the verb's name and what it was given. */
export interface StoreCall {
  readonly verb: keyof Store
  readonly args: readonly unknown[]
}

/**
 * The same store, with every call passing through a function of yours, which answers with `next()`, with something else, later, or by
 * throwing: to count calls, to delay them, to let them fail. The name and the capabilities are those of the store.
 */
export function throughStore<S extends Store<unknown>>(
  store: S,
  around: (call: StoreCall, next: () => unknown) => unknown,
): S {
  return new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function') return value
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the verbs are a store's only functions
      const verb = key as keyof Store
      return (...args: readonly unknown[]) => around({ verb, args }, () => Reflect.apply(value, target, args))
    },
  })
}
