/** What later rooms may use of the catalogue, which the start of the command does without. */
export { INTERNAL_ERROR } from './catalogue/alerts.js'
export { type CaFile, cluster, type Reissue } from './catalogue/cluster.js'
