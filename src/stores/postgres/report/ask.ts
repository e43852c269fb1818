/** Runs a statement; `@.` in it is the quoted schema. Every column is text, empty for null. */
export type Ask = (text: string) => Promise<readonly (readonly string[])[]>
