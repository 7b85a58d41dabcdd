/** Every case of hostile input. */
import { bundles } from './hostile-bundles.js'
import type { HostileCase } from './hostile-chain.js'
import { graphsAndLists } from './hostile-graphs.js'
import { names } from './hostile-names.js'
import { structuresAndNumbers } from './hostile-structures.js'

export const hostileCases: readonly HostileCase[] = [...bundles, ...names, ...structuresAndNumbers, ...graphsAndLists]
