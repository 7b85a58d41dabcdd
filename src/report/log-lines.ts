/** Lines that other programs write when a connection to etcd fails: `etcd-mtls/log-lines.json` and docs/log-lines.md are made from them. */
import { GO_ALERTS } from './log-lines/alerts.js'
import { ETCD_LINES } from './log-lines/etcd.js'
import { GO_CLIENT_LINES } from './log-lines/go-clients.js'
import { GO_REFUSALS, GO_UNREADABLE } from './log-lines/go.js'
import { JAVA_RUST_LINES } from './log-lines/java-rust.js'
import { lineOf, type LogLine } from './log-lines/line.js'
import { OPENSSL_LINES } from './log-lines/openssl.js'
import { LAST_LINES, NODE_OWN_LINES, OTHER_LINES, OUTER_LINES } from './log-lines/others.js'
import { PEER_LINES } from './log-lines/peers.js'
import { PROXY_LINES } from './log-lines/proxies.js'

/** In the order of matching: a row before another one says more about a line that both match. */
export const logLines: readonly LogLine[] = [
  ...PROXY_LINES,
  ...OTHER_LINES,
  ...JAVA_RUST_LINES,
  ...PEER_LINES,
  ...ETCD_LINES,
  ...GO_ALERTS,
  ...GO_REFUSALS,
  ...GO_UNREADABLE,
  ...OPENSSL_LINES,
  ...NODE_OWN_LINES,
  ...OUTER_LINES,
  ...GO_CLIENT_LINES,
  ...LAST_LINES,
].map(lineOf)

/** More characters of a line than its words need; a line can be of any length, as with a stack trace. */
const MOST_CHARACTERS = 8192

/** The rows that match the first 8192 characters of a line, the most specific first. An empty list if the line is not known. */
export function findLogLines(line: string): LogLine[] {
  const start = line.slice(0, MOST_CHARACTERS)
  const found = compiled.filter(({ expression }) => expression.test(start)).map(({ row }) => row)
  const withReason = found.filter(({ id }) => !withoutReason.has(id))
  return withReason.length === 0 ? found : withReason
}

const withoutReason = new Set(LAST_LINES.map(({ id }) => id))
/** One by one: V8 searches for the words of one pattern ten times as fast as for those of all patterns in one. */
const compiled = logLines.map((row) => ({ row, expression: new RegExp(row.pattern) }))
