/** Loads the examination at the first call, so that an import of the package stays cheap. */
import { deferred } from '../report/internal.js'

const code = deferred(() => import('./examine.js'))

export const examineCluster = code('examineCluster')
export const examineClusters = code('examineClusters')
export const examineMachine = code('examineMachine')
