/** Lines of other programs as pages: docs/log-lines.md, and the page of the site. */

/**
 * The page in git: the commonest line for each code.
 * @param {readonly import('../../src/log-lines/log-line.js').LogLine[]} logLines
 * @param {(code: string) => string} anchorOf
 * @returns {string}
 */
export function renderLogLinesIndex(logLines, anchorOf) {
  const codes = [...new Set(logLines.flatMap((row) => row.codes))].sort()
  const lines = codes.map((code) => `- [${code}](findings.md#${anchorOf(code)}): ${quoted(commonest(code, logLines))}`)
  return `${[INDEX, ABOUT_DATA, '## The commonest line for each finding', lines.join('\n')].join('\n\n')}\n`
}

/** Of the rows in which a code is likelier than in others, the one that is posted most, or the first. */
function commonest(code, logLines) {
  const places = logLines.filter((row) => row.codes.includes(code))
  const rank = (row) => row.codes.indexOf(code) - (COMMON.some(([, id]) => id === row.id) ? 0.5 : 0)
  return places.reduce((best, row) => (rank(row) < rank(best) ? row : best)).example
}

/** Code of Markdown, which ends at as many backticks as it begins with. */
function quoted(text) {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}

/**
 * The page on the site, with each kind of line.
 * @param {readonly import('../../src/log-lines/log-line.js').LogLine[]} logLines
 * @param {{ anchorOf: (id: string) => string, findingUrl: (code: string) => string }} links
 * @returns {string}
 */
export function renderLogLines(logLines, { anchorOf, findingUrl }) {
  const groups = LINE_PROGRAMS.map((program) => [program, logLines.filter((row) => row.program === program)])
  const contents = groups.map(([program]) => `- [${program}](#${slugOf(program)}): ${ABOUT[program]}`)
  const sections = groups.flatMap(([program, rows]) => [
    `## ${program}`,
    ...rows.map((row) => entry(row, { anchorOf, findingUrl })),
  ])
  return `${[introduction(anchorOf), contents.join('\n'), AFTER, ABOUT_DATA, ...sections].join('\n\n')}\n`
}

/** The lines that are posted most. */
export const COMMON = [
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

const INDEX = `# Lines of logs

<!-- Generated from src/log-lines/rows by \`npm run docs\`: edit there. -->

This page leads from a line of a log to its cause. \`npx etcd-mtls explain "LINE"\` does the same for every known line, and
\`npx etcd-mtls explain < FILE\` for a [whole log](command.md#explain): it prints who wrote the line, which side refused the other, the causes in
order of likelihood with their fixes, and the command that decides between them.

\`npm run docs\` writes the page with all lines, by program, to \`.cache/docs\`.`

const introduction = (anchorOf) => `---
title: Lines of logs
---

# Lines of logs

This page starts from a line of a log and leads to its cause: who wrote it, which side refused the other, the possible causes, and the
command that decides between them. Search it for the words of your line, without addresses and times. Or let
\`npx etcd-mtls explain "LINE"\` do it, or \`npx etcd-mtls explain < FILE\` for a whole log.

${COMMON.map(([words, id]) => `- \`${words}\`: [${id}](#${anchorOf(id)})`).join('\n')}

All others, by the program whose words they are:`

const AFTER = `The **server** is the side that was dialled: etcd, or the peer port of a member. The **client** is the side that dialled: a client,
etcd's own gateway, or another member. In the words of Go, "remote" is always the other side. Causes are codes of
findings, the likeliest first.

In the commands, \`{host}\` is the host and port that were dialled, and \`{name}\` that host alone. \`{ca}\`, \`{cert}\` and \`{key}\` are the files of
the client. \`{file}\` is the file that the line names, or that the server is configured with.`

const ABOUT_DATA = `The same data is \`etcd-mtls/log-lines.json\`: an array of \`{ id, program, versions, pattern, contains, direction, meaning, codes, decide, example }\`.
\`pattern\` is a regular expression for one line, and takes linear time; a line that it matches has one of the strings in \`contains\`. Several rows can match a line; the first one says most. Real
programs write the lines in a test; a row with a \`source\` is from there.`

/** What the words of each program look like, in the order of the page. */
const ABOUT = {
  etcd: "Lines of etcd's log, as JSON since 3.5 and as plain text before.",
  Go: 'etcdctl, kube-apiserver, Vitess, Milvus, Cilium, and members of etcd that dial others.',
  'kube-apiserver': 'Lines of kube-apiserver and kubeadm around those of Go.',
  OpenSSL: 'openssl, curl, Node, Python, Patroni, APISIX, nginx, and BoringSSL in gRPC core.',
  GnuTLS: 'curl and wget of Debian, and others with GnuTLS.',
  NSS: 'curl of RHEL 7 and CentOS 7.',
  Schannel: 'curl of Windows.',
  '.NET': 'Clients in C#, such as dotnet-etcd.',
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

function entry({ id, versions, meaning, codes, decide, example, source }, { anchorOf, findingUrl }) {
  const rows = [
    `<a id="${anchorOf(id)}"></a>`,
    `### ${id}`,
    `\`\`\`text\n${example}\n\`\`\``,
    meaning,
    [
      ...(versions === 'all' ? [] : [`- Versions: ${versions}`]),
      `- Causes: ${codes.map((code) => `[\`${code}\`](${findingUrl(code)})`).join(', ')}`,
      `- Decide: \`${decide}\``,
      ...(source === undefined ? [] : [`- Source: ${source}`]),
    ].join('\n'),
  ]
  return rows.join('\n\n')
}

const slugOf = (heading) => heading.toLowerCase().replaceAll('.', '').replaceAll(' ', '-')
