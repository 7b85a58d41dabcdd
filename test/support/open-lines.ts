/** Lines that open a port of a member, at random places and in random spellings of YAML and of shells. */
import fc from 'fast-check'

/** A member whose files and ports are known. */
export interface OpenMember {
  /** Its flags, `--name=value`. */
  readonly flags: readonly string[]
  readonly url: (of: 'client' | 'peer' | 'third') => string
  readonly file: (name: string) => string
}

const HTTP_URLS = 'listen-client-http-urls'
/** Characters that end a line for go-yaml, also within a comment. */
const BREAKS = ['\n', '\r', '\r\n', '\u0085', '\u2028', '\u2029']

/** The URL without TLS, and at all addresses: on a loopback address alone, plaintext is no error. */
function plain(url: string): string {
  return url.replace(/^https:\/\/[^:]*/, 'http://0.0.0.0')
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

const keySpellings: readonly ((key: string) => string)[] = [
  (key) => key,
  (key) => key.toUpperCase(),
  (key) => key.replace(/^l/, 'L'),
  (key) => key.replace('s', '\u017f'),
  (key) => `"${key}"`,
  (key) => `'${key}'`,
  (key) => `"${key.replace('s', '\\x73')}"`,
  (key) => `!!str ${key}`,
  (key) => `!!binary ${base64(key)}`,
  (key) => `&x ${key}`,
  (key) => `${key} `,
  (key) => `? ${key}\n`,
]

const valueSpellings: readonly ((value: string) => string)[] = [
  (value) => value,
  (value) => `"${value}"`,
  (value) => `'${value}'`,
  (value) => `"${value.replace('h', '\\u0068')}"`,
  (value) => `!!str ${value}`,
  (value) => `!!binary ${base64(value)}`,
  (value) => `&y ${value}`,
  (value) => `>-\n  ${value}`,
  (value) => `\n  ${value}`,
  (value) => `${value} # comment`,
]

const lineSpellings: readonly ((key: string, value: string) => string)[] = [
  (key, value) => `${key}: ${value}\n`,
  ...BREAKS.map((end) => (key: string, value: string) => `# comment${end}${key}: ${value}\n`),
  (key, value) => `<<: {${key.trim().replace(/^\? /, '')}: ${value.replaceAll(/#.*|>-|\n/g, '')}}\n`,
  (key, value) => `!!merge "<<": [{${key.trim().replace(/^\? /, '')}: ${value.replaceAll(/#.*|>-|\n/g, '')}}]\n`,
]

/** The member as a file of etcd, and the same with a line more. */
export function yamlOf({ url, file }: OpenMember, more = '', at = Infinity): string {
  const block = `  cert-file: ${file('server.crt')}\n  key-file: ${file('server.key')}\n  trusted-ca-file: ${file('ca.crt')}\n  client-cert-auth: true\n`
  const lines = `name: a
data-dir: ${file('data-open')}
listen-client-urls: ${url('client')}
advertise-client-urls: ${url('client')}
listen-peer-urls: ${url('peer')}
initial-advertise-peer-urls: ${url('peer')}
initial-cluster: a=${url('peer')}
client-transport-security:
${block}peer-transport-security:
${block}`.split(/(?<=\n)/)
  return lines.toSpliced(at, 0, more).join('')
}

/** How many lines precede the first block. */
const BEFORE_BLOCKS = 7
const LINES = 17

/**
 * Files of the member with a line that opens a port.
 *
 * @param where `read`: where etcd reads the line. `any`: anywhere, also where it is not in force.
 */
export function openYaml(member: OpenMember, where: 'read' | 'any'): fc.Arbitrary<string> {
  const { url, file } = member
  const third = plain(url('third'))
  const { host } = new URL(third)
  const fields = { Scheme: 'http', Host: host }
  const files = { 'cert-file': file('server.crt'), 'key-file': file('server.key') }
  const spelled = (key: string, value: string): fc.Arbitrary<string> =>
    fc
      .record({
        key: fc.constantFrom(...keySpellings),
        value: fc.constantFrom(
          ...(value.startsWith('{') || value.startsWith('[') ? [(all: string) => all] : valueSpellings),
        ),
        line: fc.constantFrom(...lineSpellings),
      })
      .map((by) => by.line(by.key(key), by.value(value)))
  const anywhere = fc.oneof(spelled(HTTP_URLS, third), spelled('ListenClientHttpUrls', JSON.stringify([fields])))
  const atEnd = fc.oneof(
    fc.constantFrom(
      `listen-client-urls: ${plain(url('client'))}\n`,
      `listen-client-urls: ${url('client')},${third}\n`,
      `listen-peer-urls: ${plain(url('peer'))}\n`,
      `client-transport-security: ${JSON.stringify(files)}\n`,
      `client-transport-security: {auto-tls: true}\n`,
      `Client-Transport-Security: {auto-tls: true}\nclient-transport-security: ${JSON.stringify(files)}\n`,
      `<<: {listen-client-urls: "${plain(url('client'))}"}\n`,
      `listen-client-url\u017f: ${plain(url('client'))}\n`,
    ),
    anywhere,
  )
  const anyLine = fc.oneof(
    ...['listen-client-urls', 'listen-peer-urls', HTTP_URLS].map((key) =>
      fc.constantFrom('client', 'peer', 'third').chain((of) => spelled(key, plain(url(of as 'client')))),
    ),
    spelled('client-transport-security', JSON.stringify(files)),
    spelled('client-transport-security', JSON.stringify({ 'trusted-ca-file': '', 'client-cert-auth': false })),
    fc.constantFrom(
      '  client-cert-auth: false\n',
      '  trusted-ca-file:\n',
      '  auto-tls: true\n',
      '---\n',
      '...\n',
      '{}\n',
    ),
    atEnd,
  )
  const placed = (lines: fc.Arbitrary<string>, places: fc.Arbitrary<number>): fc.Arbitrary<string> =>
    fc.tuple(lines, places).map(([line, at]) => yamlOf(member, line, at))
  const all = fc.constant(LINES)
  if (where === 'any') {
    const several = fc.array(anyLine, { minLength: 1, maxLength: 2 }).map((lines) => lines.join(''))
    return placed(several, fc.nat(LINES))
  }
  return fc.oneof(placed(anywhere, fc.nat(BEFORE_BLOCKS)), placed(atEnd, all))
}

const VARIABLE = 'ETCD_LISTEN_CLIENT_HTTP_URLS'

/** Scripts that start the member, with a line or an argument more, which opens a port. */
export function openScript({ flags, url }: OpenMember): fc.Arbitrary<string> {
  const third = plain(url('third'))
  const flag = `--${HTTP_URLS}=${third}`
  const set = `${VARIABLE}=${third}`
  const script = (before: string, args: readonly string[], start = 'exec etcd'): string =>
    `#!/bin/sh\nset -e\n${before}${start} ${args.join(' \\\n  ')}\n`
  const args: readonly (readonly [arg: string, before?: string])[] = [
    [flag],
    [`-${HTTP_URLS}=${third}`],
    [`--${HTTP_URLS} ${third}`],
    [`"${flag}"`],
    [`'--${HTTP_URLS}'="${third}"`],
    [`--listen-cl\\ient-http-urls=${third}`],
    [`--listen-"client"-http-urls=${third}`],
    [`--${HTTP_URLS}=$U`, `U=${third}\n`],
    [`--${HTTP_URLS}="\${U}"`, `U=${third}\n`],
    [`--listen-\${K}-http-urls=${third}`, `K=client\n`],
    [`$F`, `F=${flag}\n`],
    ['"${F}"', `F='${flag}'\n`],
    ['${F:-x}', `F=${flag}\n`],
    [`\${N:-${flag}}`],
    ['"$@"', `set -- ${flag}\n`],
    ['$*', `set -- ${flag}\n`],
    ['$1', `set -- ${flag}\n`],
    [`$(echo ${flag})`],
    [`\`echo ${flag}\``],
    [`"$(printf '%s' ${flag})"`],
    [`--${HTTP_URLS}=$(echo ${third})`],
    [`--${HTTP_URLS}=http:$(echo ${third.replace('http:', '')})`],
  ]
  const lines = [
    `export ${set}\n`,
    `export A=1 ${set}\n`,
    `${set}; export ${VARIABLE}\n`,
    `export ${VARIABLE}; ${set}\n`,
    `export ${VARIABLE}\n${set}\n`,
    `set -a; ${set}\n`,
    `set -o allexport\n${set}\n`,
    `export "ETCD_$(echo LISTEN)_CLIENT_HTTP_URLS=${third}"\n`,
    `export ETCD_LISTEN_\${K:-CLIENT}_HTTP_URLS=${third}\n`,
    `eval export ${set}\n`,
    `f() { export ${set}; }\nf\n`,
    `f() {\n  export ${set}\n}\nf\n`,
    `if true; then export ${set}; fi\n`,
    `test 1 = 1 && export ${set}\n`,
    `case x in x) export ${set};; esac\n`,
    `for i in 1; do export ${set}; done\n`,
    `: \${${VARIABLE}:=${third}}; export ${VARIABLE}\n`,
    `X='${set}'; export "$X"\n`,
    `cat > vars <<EOF\nexport ${set}\nEOF\n. ./vars\n`,
    `echo 'export ${set}' > vars; . ./vars\n`,
    `{ export ${set}; }\n`,
    `readonly A=1; export ${set}\n`,
    `true # comment\nexport ${set}\n`,
    `echo '\n' ; export ${set}\n`,
    `export \\\n  ${set}\n`,
    `trap 'true' TERM; export ${set}\n`,
  ]
  const starts = [
    `${set} exec etcd`,
    `exec env ${set} etcd`,
    `exec env 'A=1' "${set}" etcd`,
    `exec env "${VARIABLE}"=${third} etcd`,
    `exec env $X etcd`,
    `exec env "$X" etcd`,
    `exec sh -c '${set} exec etcd "$@"' sh`,
    `exec nice env ${set} etcd`,
  ]
  return fc.oneof(
    fc
      .tuple(fc.constantFrom(...args), fc.nat(flags.length))
      .map(([[arg, before = ''], at]) => script(before, flags.toSpliced(at, 0, arg))),
    fc.constantFrom(...lines).map((line) => script(line, flags)),
    fc.constantFrom(...starts).map((start) => script(`X=${set}\n`, flags, start)),
  )
}
