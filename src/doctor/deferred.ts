/** Loads the examination at the first call, so that an import of the package stays cheap. `@function`: the API pages show the function itself. */
import { deferred } from '../report/internal.js'

const code = deferred(() => import('./deferred-code.js'))

/** @function */
export const examineCluster = code('examineCluster')
/** @function */
export const examineClusters = code('examineClusters')
/** @function */
export const examineMachine = code('examineMachine')
/** @function */
export const rollState = code('rollState')
