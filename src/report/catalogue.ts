/** Every finding there is, one row a code. The rows live by area; docs/findings.md is made from this table. */
import { certificate } from './catalogue/certificate.js'
import { chain } from './catalogue/chain.js'
import { endpoint } from './catalogue/endpoint.js'
import { handshake } from './catalogue/handshake.js'
import { login } from './catalogue/login.js'
import { material } from './catalogue/material.js'
import { names } from './catalogue/names.js'
import { revocation } from './catalogue/revocation.js'
import type { CatalogueRow } from './row.js'

export const catalogue = {
  ...material,
  ...certificate,
  ...chain,
  ...names,
  ...revocation,
  ...endpoint,
  ...handshake,
  ...login,
}

type DetailsOf<R> = R extends CatalogueRow<infer D> ? D : never

/** The details of every code, as the rows declare them. */
export type CatalogueDetails = { [C in keyof typeof catalogue]: DetailsOf<(typeof catalogue)[C]> }

/** The row of one code. */
export function catalogueRow<C extends keyof CatalogueDetails>(code: C): CatalogueRow<CatalogueDetails[C]> {
  // Sound by construction: CatalogueDetails takes each code's details from that code's own row.
  return catalogue[code] as unknown as CatalogueRow<CatalogueDetails[C]>
}
