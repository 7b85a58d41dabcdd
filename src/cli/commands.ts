/** The table of commands. The code of each is loaded when it is called. */
import type { CommandRow } from './command.js'

export const COMMANDS: readonly CommandRow[] = [
  {
    name: 'explain',
    operands: '[code-or-line...]',
    summary: 'Explains the code of a finding, a line of a log, or a whole log on stdin.',
    examples: ['explain san/host-not-covered', 'explain "remote error: tls: bad certificate"'],
    options: [],
    notes: [
      'For a whole log: journalctl -u etcd | etcd-mtls explain',
      'A known line is an answer and no finding: the exit code is 0, and 1 if no line is known.',
      'Nothing is sent anywhere. Pages: docs/log-lines.md, docs/findings.md.',
    ],
    connects: false,
    load: () => import('./explain.js'),
  },
]
