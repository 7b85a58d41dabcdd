/** Lines of other programs: their rows in src/log-lines/rows, as data, `etcd-mtls/log-lines.json`, and as the page docs/log-lines.md. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { literalsOf } from './literals.mjs'

/** What a search looks for first, and what it compares then. */
const KEY_CHARACTERS = 4
const LITERAL_CHARACTERS = 8

/**
 * The rows of the files in the order of matching: a row before another one says more about a line that both match. In a file, `like` is
 * the row whose direction, meaning, causes and command a row has, `in` the kind of log whose lines alone match, and a value with a
 * dollar sign the name of a shared one.
 * @param {string} root
 * @returns {import('../../src/log-lines/log-line.js').LogLine[]}
 */
export function readLogLines(root) {
  const read = (name) => JSON.parse(readFileSync(join(root, 'src/log-lines/rows', `${name}.json`), 'utf8'))
  const shared = read('shared')
  const rows = shared.order.flatMap(read)
  const byId = new Map(rows.map((row) => [row.id, row]))
  const shorten = shortener(rows.map(({ example }) => example))
  return rows.map((row) => {
    const { direction, meaning, codes, decide } = row.like === undefined ? row : known(byId, row.like)
    return complete({ direction, meaning, codes, decide, ...row }, shared, shorten)
  })
}

function complete({ id, program, versions = 'all', direction, example, source, ...row }, shared, shorten) {
  const named = (table, name) => known(new Map(Object.entries(table)), name)
  const pattern = `${row.in === undefined ? '' : named(shared.contexts, row.in)}${row.pattern}`
  const literals = literalsOf(pattern)
  if (literals === null) throw new Error(`The pattern of ${id} needs no string that a search could find`)
  const contains = [...new Set(literals.map(shorten))]
  const meaning = `${named(shared.who, direction)} ${row.meaning}`.trimEnd()
  const codes = row.codes.flatMap((code) => (code.startsWith('$') ? named(shared.codes, code.slice(1)) : code))
  const decide = row.decide.startsWith('$') ? named(shared.decide, row.decide.slice(1)) : row.decide
  const all = { id, program, versions, pattern, contains, direction, meaning, codes, decide, example }
  return source === undefined ? all : { ...all, source }
}

/** Gives the part of a string that begins with those of its characters that are the rarest in lines. */
function shortener(lines) {
  const counts = new Map()
  for (const line of lines) {
    for (let at = 0; at + KEY_CHARACTERS <= line.length; at++) {
      const key = line.slice(at, at + KEY_CHARACTERS)
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  }
  return (literal) => {
    const starts = Array.from({ length: literal.length - KEY_CHARACTERS + 1 }, (_, at) => at)
    if (starts.length === 0) throw new Error(`${JSON.stringify(literal)} is too short to be searched`)
    const count = (at) => counts.get(literal.slice(at, at + KEY_CHARACTERS)) ?? 0
    const rarest = starts.reduce((best, at) => (count(at) < count(best) ? at : best))
    return literal.slice(rarest, rarest + LITERAL_CHARACTERS)
  }
}

function known(table, name) {
  if (!table.has(name)) throw new Error(`src/log-lines/rows has no ${String(name)}`)
  return table.get(name)
}

/** @returns {string} an array with an object for each kind of line */
export function renderLogLinesJson(/** @type {string} */ root) {
  return `${JSON.stringify(readLogLines(root))}\n`
}

/**
 * @param {readonly import('../../src/log-lines/log-line.js').LogLine[]} logLines
 * @param {(id: string) => string} anchorOf
 * @returns {string}
 */
export function renderLogLines(logLines, anchorOf) {
  const groups = LINE_PROGRAMS.map((program) => [program, logLines.filter((row) => row.program === program)])
  const contents = groups.map(([program]) => `- [${program}](#${slugOf(program)}): ${ABOUT[program]}`)
  const sections = groups.flatMap(([program, rows]) => [`## ${program}`, ...rows.map((row) => entry(row, anchorOf))])
  return `${[introduction(anchorOf), contents.join('\n'), AFTER, ...sections].join('\n\n')}\n`
}

/** The lines that are posted most. */
const COMMON = [
  ['rejected connection … remote error: tls: bad certificate', 'etcd/client-sent-bad-certificate'],
  ['transport: authentication handshake failed: remote error: tls: bad certificate', 'go/server-sent-bad-certificate'],
  ['context deadline exceeded', 'go/deadline'],
  ['certificate signed by unknown authority', 'go/unknown-authority'],
  ['certificate has expired or is not yet valid', 'go/expired'],
  ['rejected connection … EOF', 'etcd/client-closed'],
  ['authentication handshake failed: EOF', 'go/handshake-eof'],
  ['first record does not look like a TLS handshake', 'etcd/plaintext-client'],
  ['local error: tls: bad record MAC', 'etcd/client-sent-unreadable-alert'],
  ["tls: client didn't provide a certificate", 'etcd/no-client-certificate'],
  ['cannot find a user for permission check', 'etcd/user-unknown'],
  ['certificate verify failed: unable to get local issuer certificate', 'openssl/issuer-not-local'],
  ['PKIX path building failed', 'java/path-building'],
]

const introduction = (anchorOf) => `# Lines of logs

<!-- Generated from src/log-lines/rows by \`npm run docs\`: edit there. -->

This page starts from a line of a log and leads to its cause: who wrote it, which side refused the other, the possible causes, and the
command that decides between them. Search it for the words of your line, without addresses and times. Or let
\`npx etcd-mtls explain "LINE"\` do it, or \`npx etcd-mtls explain < FILE\` for a [whole log](command.md#explain).

${COMMON.map(([words, id]) => `- \`${words}\`: [${id}](#${anchorOf(id)})`).join('\n')}

All others, by the program whose words they are:`

const AFTER = `The **server** is the side that was dialled: etcd, or the peer port of a member. The **client** is the side that dialled: a client,
etcd's own gateway, or another member. In the words of Go, "remote" is always the other side. Causes are codes of
[findings](findings.md), the likeliest first.

In the commands, \`{host}\` is the host and port that were dialled, and \`{name}\` that host alone. \`{ca}\`, \`{cert}\` and \`{key}\` are the files of
the client. \`{file}\` is the file that the line names, or that the server is configured with.

The same data is \`etcd-mtls/log-lines.json\`: an array of \`{ id, program, versions, pattern, contains, direction, meaning, codes, decide, example }\`.
\`pattern\` is a regular expression for one line, and takes linear time; a line that it matches has one of the strings in \`contains\`. Several rows can match a line; the first one says most. Real
programs write the lines in a test; a row with a \`source\` is from there.`

/** What the words of each program look like, in the order of the page. */
const ABOUT = {
  etcd: "Lines of etcd's log, as JSON since 3.5 and as plain text before.",
  Go: 'etcdctl, kube-apiserver, Vitess, Milvus, Cilium, and members of etcd that dial others.',
  'kube-apiserver': 'Lines of kube-apiserver and kubeadm around those of Go.',
  NSS: 'curl of RHEL 7 and CentOS 7.',
  OpenSSL: 'openssl, curl, Node, Python, Patroni, APISIX, nginx, and BoringSSL in gRPC core.',
  Node: 'The `code` of an error, and lines of etcd3 and grpc-js.',
  Python: 'Lines of `ssl`, urllib3 and the clients for etcd around those of OpenSSL.',
  'gRPC core': 'gRPC in Python, Ruby, PHP, C++ and old Node clients.',
  Java: 'jetcd, grpc-java and netty.',
  Rust: 'etcd-client, tonic and rustls.',
  Patroni: 'Lines around those of Python.',
  APISIX: 'Lines of APISIX and lua-resty-etcd around those of OpenSSL.',
  nginx: 'Lines of nginx in front of etcd.',
  haproxy: 'Lines of haproxy in front of etcd.',
  Envoy: 'Lines of Envoy, also as a sidecar of a service mesh, in front of etcd.',
  System: 'Messages of the operating system, which any program can pass on.',
}

export const LINE_PROGRAMS = Object.keys(ABOUT)

function entry({ id, versions, meaning, codes, decide, example, source }, anchorOf) {
  const rows = [
    `<a id="${anchorOf(id)}"></a>`,
    `### ${id}`,
    `\`\`\`text\n${example}\n\`\`\``,
    meaning,
    [
      ...(versions === 'all' ? [] : [`- Versions: ${versions}`]),
      `- Causes: ${codes.map((code) => `[\`${code}\`](findings.md#${anchorOf(code)})`).join(', ')}`,
      `- Decide: \`${decide}\``,
      ...(source === undefined ? [] : [`- Source: ${source}`]),
    ].join('\n'),
  ]
  return rows.join('\n\n')
}

const slugOf = (heading) => heading.toLowerCase().replaceAll(' ', '-')
