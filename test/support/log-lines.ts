/** The rows of `etcd-mtls/log-lines.json`, as the sources have them now. */
import { readLogLines } from '../../scripts/lib/log-lines.mjs'
import { LineMatcher, type LogLine } from '../../src/log-lines/index.js'
import { root } from './compiled.js'

export const logLines: readonly LogLine[] = readLogLines(root)
const matcher = new LineMatcher(logLines)

/** The row of a line; undefined if the line is not known. */
export function findLogLine(line: string): LogLine | undefined {
  return matcher.find(line)
}
