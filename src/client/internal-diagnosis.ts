/** What later rooms may use, next to the public names of `index.ts`. */
export { areValid, type ClockReading } from './diagnosis/evidence.js'
export { explainServer, refusalIn } from './diagnosis/explain.js'
export { readClockOf, readMetrics } from './diagnosis/https-answer.js'
export { hostElsewhere, locate, lookupSrv } from './discovery.js'
export { alertNumber } from './transport/address-attempt.js'
