/** Loads the examination at the first call, so that an import of the package stays cheap. `@function`: the API pages show the function itself. */
import { deferred } from '../report/internal.js'

const code = deferred(() => import('./examine.js'))

/** @function */
export const examineCluster = code('examineCluster')
/** @function */
export const examineClusters = code('examineClusters')
/** @function */
export const examineMachine = code('examineMachine')

const roll = deferred(() => import('./roll/collect.js'))

/** @function */
export const rollState = roll('rollState')
