/** The table of commands. The code of each is loaded when it is called. */
import type { CommandRow } from './command.js'

export const COMMANDS: readonly CommandRow[] = [
  {
    name: 'inspect',
    operands: '<target...>',
    summary: 'Shows what files, directories, Secret manifests and servers hold, and what is wrong with it.',
    examples: ['inspect server.crt', 'inspect --usage server --host etcd-0.etcd --cacert ca.crt server.crt'],
    options: [
      ['--usage <usage>', 'client, server, peer or any: validate for this use (default: any, for a server: server)'],
      ['--host <name...>', 'a name or address that the certificate must cover; repeat it for more'],
      ['--cacert <file>', 'the CA certificates that the chain must lead to'],
    ],
    notes: [
      'TARGET: a file, a directory (its files only), HOST:PORT, or - for stdin.',
      'An existing path wins over HOST:PORT.',
      'Without --cacert, the issuer is not verified. Private keys are never printed.',
    ],
    connects: false,
    load: () => import('./inspect.js'),
  },
  {
    name: 'expiry',
    operands: '<target...>',
    summary: 'Lists when certificates expire, the first one at the top.',
    examples: ['expiry --within 30d pki', 'expiry --prometheus etcd.prom server.crt ca.crt'],
    options: [
      ['--within <duration>', 'exit with 3 if a certificate expires within this time, such as 30d or 12h'],
      ['--prometheus <file>', "also write the dates in node_exporter's text format; the file is replaced as one"],
      ['--trusted-owner <user>', 'for root: a user whose directories count as those of root'],
    ],
    notes: ['TARGET: a file, a directory (its files only), HOST:PORT, or - for stdin.'],
    connects: false,
    load: () => import('./expiry.js'),
  },
]
