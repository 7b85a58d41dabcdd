/** What rows about revocation lists have in common. */
/** OpenSSL, and Node with it, looks for a list that fits before it checks one. */
export const NOT_FOUND = { OpenSSL: 'unable to get certificate CRL', Node: 'UNABLE_TO_GET_CRL' }

/** Every finding about a list names it by where it came from. */
export interface List {
  origin: string
}

/** `The certificate "x"` inside a sentence. */
export function lower(who: string): string {
  return who.charAt(0).toLowerCase() + who.slice(1)
}
