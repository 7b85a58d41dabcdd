/** The table of commands. The code of each is loaded when it is called. */
import type { CommandRow } from './command.js'

export const COMMANDS: readonly CommandRow[] = [
  {
    name: 'doctor',
    operands: '',
    summary: 'Examines a cluster: what its members serve and accept, their files and their configurations.',
    examples: ['doctor', 'doctor --endpoints 10.0.0.1:2379 --cacert ca.crt --cert client.crt --key client.key'],
    options: [
      ['--config <file...>', 'a configuration of a member; repeat it for more'],
      ['--root <dir>', 'where the disk of the machine of etcd is mounted'],
      ['--kubeadm <dir>', 'the directory of kubeadm (default: /etc/kubernetes)'],
      ['--lead <duration>', 'how long before the last date somebody must act (default: 7d)'],
    ],
    notes: [
      'Without options, it examines the etcd that runs on this machine, else that of',
      'kubeadm, else the unit etcd.service. Run it as root on each member: the files of',
      'other machines are not checked. It changes nothing. Each probe of a port that',
      'demands a certificate leaves a warning in the log of etcd.',
      '',
    ],
    connects: true,
    load: () => import('./doctor.js'),
  },
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
