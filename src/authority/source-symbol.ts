/** The key of the method of an authority that makes a source: `fromAuthority` calls it without loading the issuing code. */
export const SOURCE = Symbol('source')
