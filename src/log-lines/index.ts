/** Lines that other programs write when a connection to etcd fails, for the command. The package exports them as data alone. */
export type { LineDirection, LineProgram, LogLine } from './log-line.js'
export { LineMatcher } from './matcher.js'
