/** The code behind `deferred.ts`, which loads as one file at the first call. */
export { examineCluster, examineClusters, examineMachine } from './examine.js'
export { rollState } from './roll/collect.js'
