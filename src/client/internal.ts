/** What later rooms may use, next to the public names of `index.ts`. */
export { dialable, type Endpoint } from './base/endpoints.js'
export { finding } from './base/finding.js'
export { resolveEndpoints, resolveSource } from './base/options.js'
export { abortable, holdingProcess, mapLimited, nullAfter, type OnAbort, pause } from './base/timing.js'
export { CLIENT, clientClosed, type ClientInternals } from './base/tls-session.js'
export { type KeepAliveStream, leaseDeadline, LeaseKeeper, type LossReason } from './streams/lease-keeper.js'
export { Fields, int64At, MalformedMessage, randomInt64, Shape } from './transport/protobuf.js'
