/** A row of an answer. What came through JSON has numbers where a statement of its own has text; both are read alike. */
export type Row = readonly unknown[]

/**
 * Runs one statement: parameters are text or null, and so is every column of the answer, in the order selected.
 *
 * Drivers differ in how they turn a value into text and back, and in what a row is; in text they agree. So a statement takes each parameter
 * as `$1::text` and casts it further, and selects each column as text, under a name of its own that is no number. An error of the driver
 * comes out as it is.
 */
export type Query = (
  text: string,
  values: readonly (string | null)[],
) => Promise<readonly (readonly (string | null)[])[]>
