/** Configurations of 100 kB that are made to keep a reader busy, by what they are made of. Each is read in every form. */
const K = 100_000

function repeat(text: string): string {
  return text.repeat(K / text.length)
}

/** So many lines or entries of about so many characters, each with its number. */
function numbered(length: number, make: (i: number) => string, between = '\n'): string {
  return Array.from({ length: K / length }, (_, i) => make(i))
    .join(between)
    .slice(0, K)
}

function url(i: number): string {
  return `http://10.0.${String((i >> 8) & 255)}.${String(i & 255)}:${String(1 + (i % 60_000))}`
}

const POD = 'apiVersion: v1\nkind: Pod\nspec:\n containers:\n - command:\n   - etcd\n'
const SERVICE = '[Service]\n'

/** Each of these has more values than it has bytes once its aliases are followed. */
function laughs(first: string, levels: number, key = ''): string {
  const line = (i: number): string => {
    const aliases = Array<string>(9).fill(`*l${String(i)}`)
    return `a${String(i + 1)}: &l${String(i + 1)}${key} [${aliases.join(', ')}]`
  }
  return `a0: &l0 ${first}\n${Array.from({ length: levels }, (_, i) => line(i)).join('\n')}`
}

export const hostileConfigs: Readonly<Record<string, string>> = {
  brackets: repeat('['),
  'dashes in a line': repeat('- '),
  braces: repeat('{a: '),
  documents: repeat('--- a\n'),
  aliases: `a: &a x\n${repeat('b: *a\n')}`,
  keys: `data-dir: d\n${numbered(8, (i) => `k${String(i)}: v`)}`,
  'keys of another program': numbered(8, (i) => `k${String(i)}: v`),
  'the same key': repeat('data-dir: x\n'),
  'one key in many cases': numbered(20, (i) => `NaMe-and-another-${String(i % 10)}: v`),
  'keys that are nearly known': `data-dir: d\n${numbered(21, (i) => `cert-file-number${String(i)}: v`)}`,
  'keys of a block that are nearly known': `client-transport-security:\n${numbered(19, (i) => `  cert-fil${String(i)}: v`)}`,
  'a long key': `client-transport-security:\n  ${repeat('a')}: x`,
  'a long value': `name: ${repeat('a')}`,
  remarks: repeat('#\n'),
  'long remarks': repeat('# xxxxxxxxxxxxxxxxxxxxx\n'),
  'blank lines': repeat('\n'),
  blanks: `a:${repeat(' ')}b`,
  'an open quote': `a: "${repeat('x\n')}`,
  escapes: `name: "${repeat(String.raw`\u0061`)}"`,
  'a folded text': `name: >\n${repeat('  xxxxxxxxxxxxxxxx\n')}`,
  'a text of many lines': `a: ${repeat('xxxxxxxxxxxxxxxxxx\n   ')}`,
  tabs: repeat('\t'),
  colons: repeat(': '),
  'colons in words': `a: ${repeat('x:y')}`,
  questions: repeat('? '),
  anchors: repeat('&a '),
  tags: repeat('!a '),
  directives: repeat('%YAML 1.1 x xxxxxxxxxxxxxx\n'),
  commas: `a: [${repeat(',')}`,
  'errors of each line': repeat('a: @\n'),
  'carriage returns': repeat('a: b\r'),
  'byte order marks': repeat('\ufeff'),
  'deep indentation': Array.from({ length: 440 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
  laughs: laughs('[x, x]', 12),
  'laughs that just pass': laughs('[x, x]', 4),
  'merge keys of merge keys': laughs('{a: x, b: x, c: x, d: x}', 12, '\n  <<:'),
  'an anchor within itself': 'a: &a [*a, *a]\n',
  'merge keys within themselves': 'a: &a\n  <<: *a\n  <<: [*a, *a]\n',
  'one URL many times': `listen-client-urls: ${repeat('https://10.0.0.1:1,')}`,
  URLs: `listen-client-urls: ${numbered(20, url, ',')}`,
  'URLs of metrics': `listen-metrics-urls: ${numbered(20, url, ',')}`,
  'URLs on both sides': ['listen-client-urls', 'listen-peer-urls', 'listen-metrics-urls', 'advertise-client-urls']
    .map((key) => `${key}: ${numbered(80, url, ',')}`)
    .join('\n'),
  members: `name: a\ninitial-advertise-peer-urls: ${numbered(40, url, ',')}\ninitial-cluster: ${numbered(40, (i) => `a=${url(i + 1)}`, ',')}`,
  suites: `cipher-suites: [${'X,'.repeat(8000)}${'Y'.repeat(80_000)}]`,
  'allowed names': `peer-transport-security: {allowed-cn: [${repeat('abcdefghijklm,')}]}`,
  flags: `etcd ${repeat('--name=a ')}`,
  'flags that are nearly known': `etcd ${numbered(14, (i) => `--nmae${String(i)}=x`, ' ')}`,
  'words between NUL': `etcd\0${repeat('--nam\0')}`,
  'a script with many etcds': repeat('etcd --name=a\n'),
  'exports of many etcds': `${numbered(24, (i) => `export ETCD_A${String(i)}=1`).slice(0, K / 2)}\n${'etcd\n'.repeat(50)}`,
  'here-documents that stay open': repeat('cat <<A\n'),
  'operators between exports': repeat('export A=1 || '),
  'references of a unit': `${SERVICE}ExecStart=/usr/bin/etcd --name=${repeat('${A}')}`,
  'files of a unit': `${SERVICE}RootDirectory=/a\nExecStart=/usr/bin/etcd --config-file=${repeat('a/')}`,
  'Lists in Lists': `kind: List\nitems: ${'[{kind: List, items: '.repeat(18)}[]${'}]'.repeat(18)}`,
  'services that are elsewhere': `services:\n${numbered(20, (i) => `  s${String(i)}: {extends: a}`)}`,
  'references that stay open': `etcd --name=${repeat('$(')}`,
  'references in references': `etcd --name=${repeat('${A:-')}`,
  'references of every kind': `etcd --name=${repeat('${A}$B$(C)`D`{{E}}%F')}`,
  'one reference many times': `etcd --initial-cluster=${repeat('a=http://${A}:1,')}`,
  'many references': `etcd --initial-cluster=${numbered(16, (i) => `a=http://$A${String(i)}:1`, ',')}`,
  'backticks that stay open': `etcd --name=${repeat('`a')}`,
  'templates that stay open': `etcd --name=${repeat('{{')}`,
  'expressions of a template': `data-dir: d\nlisten-client-urls: ${repeat('http://{{ a }}:1,')}`,
  'statements of a template': `data-dir: d\n${repeat('{% a %}\n')}`,
  backslashes: `etcd ${repeat('\\')}`,
  'lines that go on': `etcd ${repeat('\\\n')}`,
  quotes: `etcd ${repeat("'a'")}`,
  'dollar signs': `etcd ${repeat('$(')}`,
  'variables that are nearly known': numbered(20, (i) => `ETCD_CERT_FIEL${String(i)}=x`),
  'quotes of a variable that stay open': `ETCD_NAME="${repeat(String.raw`\"`)}`,
  'commands of a unit': `${SERVICE}${repeat('ExecStart=/usr/bin/etcd --name=a\n')}`,
  'variables of a unit': `${SERVICE}Environment=${repeat('ETCD_NAME=a ')}\nExecStart=/usr/bin/etcd`,
  'a long variable, named often': `${SERVICE}Environment=A=${'x'.repeat(K / 2)}\nExecStart=/usr/bin/etcd ${'$A '.repeat(K / 6)}`,
  'a variable of many words, named often': `${SERVICE}Environment="A=${'x '.repeat(K / 4)}"\nExecStart=/usr/bin/etcd ${'$A '.repeat(K / 6)}`,
  'pods of which none is etcd': repeat('kind: Pod\nspec: {containers: [{command: [sh]}]}\n---\n'),
  'flags of a pod': `${POD}${repeat('   - --nmae=abcdefghijkl\n')}`,
  'variables of a pod that double': `${POD}   - $(A29)\n   env:\n   - {name: A, value: aaaaaaaaaa}\n${Array.from(
    { length: 30 },
    (_, i) => {
      const before = `$(A${i === 0 ? '' : String(i - 1)})`
      return `   - {name: A${String(i)}, value: "${before}${before}"}`
    },
  ).join('\n')}`,
}

/** The forms that every text is read in. */
export const HOSTILE_FORMS = ['yaml', 'manifest', 'unit', 'flags', 'env'] as const
