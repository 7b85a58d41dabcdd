/** Lines of other programs as data, `etcd-mtls/log-lines.json`, and as the page docs/log-lines.md. */

/** @returns {string} an array with an object for each kind of line */
export function renderLogLinesJson(/** @type {readonly object[]} */ logLines) {
  return `${JSON.stringify(logLines)}\n`
}

/**
 * @param {readonly import('../../src/report/log-lines/line.js').LogLine[]} logLines
 * @param {readonly string[]} programs in the order of the page
 * @param {(id: string) => string} anchorOf
 * @returns {string}
 */
export function renderLogLines(logLines, programs, anchorOf) {
  const groups = programs.map((program) => [program, logLines.filter((row) => row.program === program)])
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

<!-- Generated from src/report/log-lines.ts by \`npm run docs\`: edit there. -->

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

The same data is \`etcd-mtls/log-lines.json\`: an array of \`{ id, program, versions, pattern, direction, meaning, codes, decide, example }\`.
\`pattern\` is a regular expression for one line, and takes linear time. Several rows can match a line; the first one says most. Real
programs write the lines in a test; a row with a \`source\` is from there.`

/** What the words of each program look like. */
const ABOUT = {
  etcd: "Lines of etcd's log, as JSON since 3.5 and as plain text before.",
  Go: 'etcdctl, kube-apiserver, Vitess, Milvus, Cilium, and members of etcd that dial others.',
  'kube-apiserver': 'Lines of kube-apiserver and kubeadm around those of Go.',
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
