/** The table of commands. The code of each is loaded when it is called. */
import type { CommandRow } from './command.js'

export const COMMANDS: readonly CommandRow[] = [
  {
    name: 'lint',
    operands: '[file|dir|-...]',
    summary: 'Checks configurations of etcd: files of any form, and directories with all files that start an etcd.',
    examples: ['lint deploy/', 'lint etcd.conf.yml --no-read-files --format oneline'],
    options: [
      ['--format <format...>', 'text, oneline, json, sarif or github; FORMAT=FILE writes a file'],
      ['--as <form>', 'yaml, flags, env, unit, manifest or compose (default: by content)'],
      ['--stdin-filename <name>', 'the name of standard input in findings'],
      ['--cluster', 'all files are one cluster (default: by token and names)'],
      ['--variable <name=value...>', 'the value of a variable that the files use'],
      ['--etcd-version <version>', 'the etcd that reads the files, such as 3.5.16'],
      ['--root <dir>', "where the disk of etcd's machine is mounted"],
      ['--no-read-files', 'do not read the certificates, keys and CRLs that the files name'],
      ['--ignore <code...>', 'accept the findings of a code'],
      ['--allow-comments', 'accept findings by comments in the files'],
      ['--allow-unchecked', 'exit with 0 although something was not checked'],
      ['--skip-others', 'a named file that starts no etcd is no finding'],
    ],
    notes: ['.etcd-mtls.yaml in the repository accepts findings and sets variables: docs/ci.md.'],
    connects: false,
    load: () => import('./lint/lint.js'),
  },
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
