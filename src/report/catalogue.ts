/**
 * All rows of the catalogue, one for each finding code. `npm run docs` writes docs/findings.md from it. The
 * package imports only types from here: each room loads the areas that it reports (see its finding.ts).
 */
import { access } from './catalogue/access.js'
import { authority } from './catalogue/authority.js'
import { certificate } from './catalogue/certificate.js'
import { chain } from './catalogue/chain.js'
import { client } from './catalogue/client.js'
import { clusterState } from './catalogue/cluster-state.js'
import { cluster } from './catalogue/cluster.js'
import { configCluster } from './catalogue/config/cluster.js'
import { configFiles } from './catalogue/config/files.js'
import { configOption } from './catalogue/config/option.js'
import { configReading } from './catalogue/config/reading.js'
import { configTls } from './catalogue/config/tls.js'
import { configTogether } from './catalogue/config/together.js'
import { constraints } from './catalogue/constraints.js'
import { endpoint } from './catalogue/endpoint.js'
import { handshake } from './catalogue/handshake.js'
import { input } from './catalogue/input.js'
import { material } from './catalogue/material.js'
import { names } from './catalogue/names.js'
import { revocation } from './catalogue/revocation.js'
import { usage } from './catalogue/usage.js'
import { validity } from './catalogue/validity.js'
import type { DetailsOf } from './row.js'

export const catalogue = {
  ...material,
  ...input,
  ...certificate,
  ...chain,
  ...validity,
  ...constraints,
  ...usage,
  ...names,
  ...revocation,
  ...authority,
  ...client,
  ...endpoint,
  ...clusterState,
  ...handshake,
  ...access,
  ...cluster,
  ...configOption,
  ...configTls,
  ...configTogether,
  ...configReading,
  ...configFiles,
  ...configCluster,
}

/** The details of each code, as its row declares them. */
export type CatalogueDetails = { [C in keyof typeof catalogue]: DetailsOf<(typeof catalogue)[C]> }
