/** `etcd-mtls explain`: pages of codes, single lines and whole logs, in process and as the program. */
import { spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { renderFindingsJson } from '../../../scripts/lib/findings-json.mjs'
import { Options, type Answer, UsageError } from '../../../src/cli/command.js'
import type { ExplainDocument, ExplainedCode } from '../../../src/cli/documents.js'
import { explain } from '../../../src/cli/explain.js'
import { catalogue } from '../../../src/report/catalogue.js'
import { findingUrl } from '../../../src/report/links.js'
import { root } from '../../support/compiled.js'
import { runInProcess } from '../../support/call-command.js'
import { logLines } from '../../support/log-lines.js'
import { commandPath, documentComplaints } from '../../support/command.js'

const codes = JSON.parse(renderFindingsJson(root, catalogue, findingUrl)) as ExplainedCode[]
const PRINT = { color: false, width: 80, oneLine: false }
const ZAP = '{"level":"warn","ts":"2026-12-01T03:12:04.123Z","msg":"rejected connection on client endpoint"'
const REFUSED = `${ZAP},"remote-addr":"10.0.0.7:43146","error":"remote error: tls: bad certificate"}`

/** The answer about operands, or about a log whose pieces are of any size. */
async function ask(
  operands: readonly string[],
  pieces: Iterable<string | Uint8Array> = [],
): Promise<Answer & { document: ExplainDocument }> {
  const bytes = Readable.from(
    (function* () {
      for (const piece of pieces) yield typeof piece === 'string' ? Buffer.from(piece) : piece
    })(),
    { objectMode: false },
  )
  const input = bytes as unknown as NodeJS.ReadStream
  const { signal } = new AbortController()
  const call = { operands, options: new Options({}), input, env: {}, signal, progress: ignore, hint: ignore }
  return (await explain(call, codes, logLines)) as Answer & { document: ExplainDocument }
}

const ignore = (): void => undefined
const log = async (...lines: string[]): Promise<ExplainDocument> => (await ask([], [lines.join('\n')])).document

/** The only kind of line in a log. */
async function only(...lines: string[]): Promise<ExplainDocument['lines'][number]> {
  const { lines: kinds } = await log(...lines)
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1) throw new Error(`${String(kinds.length)} kinds`)
  return kind
}

describe('explain with a code', () => {
  it('the command explain prints the page of a code with its severity, explanation, fix and source', async () => {
    const { document, text, findings } = await ask(['san/host-not-covered'])
    expect(document.page?.code).toBe('san/host-not-covered')
    expect(findings).toEqual([])
    const page = text(PRINT)
    for (const part of ['(error)', 'Fix: Reissue', 'Source: RFC 6125', findingUrl('san/host-not-covered')])
      expect(page).toContain(part)
  })

  it.each([
    ['a letter that is missing', 'san/host-not-coverd', 'san/host-not-covered'],
    ['another area', 'tls/client-ca-unknown', 'handshake/client-ca-unknown'],
    ['another ending', 'validity/expires', 'validity/expires-soon'],
  ])('the command explain refuses an unknown code and names similar ones: %s', async (_name, asked, similar) => {
    const refused = ask([asked])
    await expect(refused).rejects.toThrow(UsageError)
    await expect(refused).rejects.toThrow(similar)
  })

  it('the command explain refuses an unknown code that is like no other without a suggestion', async () => {
    await expect(ask(['qqq/zzz'])).rejects.toThrow(/^There is no code qqq\/zzz\.$/)
  })

  it('every code to which a line of a log leads has a fix', () => {
    const led = new Set<string>(logLines.flatMap((row) => row.codes))
    expect(codes.filter(({ code, fix }) => led.has(code) && fix === undefined).map(({ code }) => code)).toEqual([])
  })
})

describe('explain with a line', () => {
  it.each(logLines.map(({ id, example, codes: causes }) => [id, example, causes] as const))(
    'the command explain recognizes the example of %s and prints its causes, their fixes and the command',
    async (id, example, causes) => {
      const { document, text, findings } = await ask([example])
      expect(document).toMatchObject({ total: 1, recognized: 1, page: null, lines: [{ id, count: 1 }] })
      expect(document.lines[0]?.causes.map(({ code }) => code)).toEqual(causes)
      expect(findings).toEqual([])
      expect(text(PRINT)).toContain(`1. ${String(causes[0])}: `)
      expect(text(PRINT)).toMatch(/^ {5}Fix: .+(?:.|\n)*^Decide: .+/m)
    },
  )

  it.each(['', 'hello', 'the certificate of the server was renewed', 'TLS', 'EOF is near', '\u0000', '{"a":', 'a/b/c'])(
    'the command the command explain does not guess the meaning of %j, and reports an error for the exit code',
    async (line) => {
      const { document, text, findings } = await ask([line])
      expect([document.recognized, document.lines, findings]).toEqual([0, [], [{ severity: 'error' }]])
      expect(text(PRINT)).toMatch(/^Not known:/)
    },
  )

  it('the command explain joins the words of a line without quotation marks', async () => {
    const { document } = await ask('remote error: tls: bad certificate'.split(' '))
    expect(document.recognized).toBe(1)
  })

  it('the command explain writes the address of a server that a client names into the command that decides', async () => {
    const dial = 'transport: authentication handshake failed: x509: certificate signed by unknown authority'
    const { document, text } = await ask([`{"addr":"10.0.0.1:2379","error":"${dial}"}`])
    expect(document.lines[0]?.decide).toContain('-connect 10.0.0.1:2379 ')
    expect(text(PRINT)).toContain('The client refused 10.0.0.1:2379')
    expect(text(PRINT)).not.toContain('{host}')
  })

  it('the command explain writes no address of a line into a command if a shell would run a part of it', async () => {
    const dial = 'transport: authentication handshake failed: x509: certificate signed by unknown authority'
    for (const address of ['$(reboot):1', '`x`:1', 'a;b:1', '-x:1', "a'b:1"]) {
      const { document } = await ask([`{"addr":"${address}","error":"${dial}"}`])
      expect(document.lines).toMatchObject([{ addresses: [], decide: expect.stringContaining('{host}') as string }])
    }
  })

  it('the command explain waits for no log if an empty line is asked, and refuses a terminal as a log', async () => {
    expect((await ask([''], ['x'])).document.total).toBe(0)
    const input = Object.assign(new Readable(), { isTTY: true }) as unknown as NodeJS.ReadStream
    const { signal } = new AbortController()
    const call = { operands: [], options: new Options({}), input, env: {}, signal, progress: ignore, hint: ignore }
    await expect(explain(call, codes, logLines)).rejects.toThrow(UsageError)
  })
})

describe('explain with a log', () => {
  it('the command explain counts equal lines, names remote addresses with the first and the last time, and counts the others', async () => {
    const at = (time: string, address: string): string =>
      REFUSED.replace('03:12:04.123', time).replace('10.0.0.7:43146', address)
    const lines = [at('03:12:04', '10.0.0.7:1'), at('03:13:00', '10.0.0.7:2'), at('05:40:11', '[fd00::9]:3')]
    const { text, document } = await ask(['-'], [['{"msg":"ready"}', ...lines, '', 'other'].join('\n')])
    expect(document).toMatchObject({ total: 5, recognized: 3 })
    const printed = text(PRINT)
    expect(printed).toContain('3 of 5 lines are about failed connections')
    expect(printed).toContain('etcd/client-sent-bad-certificate: 3 × since 2026-12-01 03:12:04Z, last at 05:40:11Z')
    expect(printed).toContain('10.0.0.7 refused the server 2 × since 2026-12-01 03:12:04Z, last at 03:13:00Z')
    expect(printed.replaceAll(/\s+/g, ' ')).toContain('fd00::9 refused the server once at 2026-12-01 05:40:11Z')
  })

  it('the command explain prints the most frequent kind first, with the bounds of a log that is in reverse order', async () => {
    const own = `${ZAP},"remote-addr":"10.0.0.8:1","error":"tls: client didn't provide a certificate"}`
    const later = own.replace('03:12', '04:12')
    const { lines } = await log(REFUSED, later, own)
    expect(lines.map(({ id, count }) => [id, count])).toEqual([
      ['etcd/no-client-certificate', 2],
      ['etcd/client-sent-bad-certificate', 1],
    ])
    expect(lines[0]).toMatchObject({ first: '2026-12-01 03:12:04Z', last: '2026-12-01 04:12:04Z' })
  })

  const capnslog =
    'embed: rejected connection from "10.0.0.7:1" (error "remote error: tls: bad certificate", ServerName "")'
  const go = 'http: TLS handshake error from 10.0.0.7:1: remote error: tls: bad certificate'
  const bare = REFUSED.replace(/"ts":"[^"]*",/, '')
  it.each([
    ['zap JSON', REFUSED, '2026-12-01 03:12:04Z'],
    ['zap JSON with a number', REFUSED.replace('"2026-12-01T03:12:04.123Z"', '1796094724.123'), '2026-12-01 03:12:04Z'],
    ['zap JSON with an offset', REFUSED.replace('.123Z', '.123+0100'), '2026-12-01 03:12:04+0100'],
    ['zap JSON without a time', bare, null],
    [
      'zap console',
      `2026-12-01T03:12:04.123Z\tWARN\tembed/x.go:1\trejected connection\t${bare}`,
      '2026-12-01 03:12:04Z',
    ],
    ['capnslog', `2026-12-01 03:12:04.123456 I | ${capnslog}`, '2026-12-01 03:12:04'],
    [
      'capnslog in the journal',
      `Dec 01 03:12:04 host etcd[12]: 2026-12-01 03:12:04.1 I | ${capnslog}`,
      '2026-12-01 03:12:04',
    ],
    ['the journal', `Dec  1 03:12:04 host etcd[12]: ${bare}`, '12-01 03:12:04'],
    ['syslog with a priority', `<28>Dec  1 03:12:04 host etcd[12]: ${bare}`, '12-01 03:12:04'],
    ['journalctl -o short-iso', `2026-12-01T03:12:04+0000 host etcd[12]: ${bare}`, '2026-12-01 03:12:04+0000'],
    [
      'journalctl -o json',
      JSON.stringify({ __REALTIME_TIMESTAMP: '1796094724000000', MESSAGE: bare }),
      '2026-12-01 03:12:04Z',
    ],
    ['klog', `I1201 03:12:04.123456    1 log.go:1] ${go}`, '12-01 03:12:04'],
    ["Go's logger", `2026/12/01 03:12:04 ${go}`, '2026-12-01 03:12:04'],
    ['kubectl logs --timestamps', `2026-12-01T03:12:04.123456789Z ${bare}`, '2026-12-01 03:12:04Z'],
    ['kubectl logs --prefix', `[pod/etcd-0/etcd] ${REFUSED}`, '2026-12-01 03:12:04Z'],
    ['docker compose logs', `etcd-1  | 2026-12-01 03:12:04.1 I | ${capnslog}`, '2026-12-01 03:12:04'],
    [
      "Docker's files",
      JSON.stringify({ log: `${REFUSED}\n`, stream: 'stderr', time: '2027-01-01T00:00:00Z' }),
      '2026-12-01 03:12:04Z',
    ],
    [
      "Docker's files with a line without a time",
      JSON.stringify({ log: `${bare}\n`, time: '2026-12-01T03:12:04.1Z' }),
      '2026-12-01 03:12:04Z',
    ],
    ['the files of containerd', `2026-12-01T03:12:04.123456789Z stderr F ${bare}`, '2026-12-01 03:12:04Z'],
  ])('the command explain reads the time and the remote address in a line of %s', async (_name, line, time) => {
    expect(await only(line, `${line}\r`)).toMatchObject({
      id: 'etcd/client-sent-bad-certificate',
      count: 2,
      first: time,
      last: time,
      addresses: [{ address: '10.0.0.7', count: 2, first: time, last: time }],
    })
  })

  it('the command explain does not take the time of a certificate for that of its line', async () => {
    const error =
      'x509: certificate has expired or is not yet valid: current time 2026-12-01T03:12:04Z is after 2020-01-01T00:00:00Z'
    expect(await only(`transport: authentication handshake failed: ${error}`)).toMatchObject({ first: null })
  })

  it.each([
    ['Node', 'Error: connect ECONNREFUSED 10.0.0.1:2379', '10.0.0.1:2379'],
    ['Go', 'rpc error: code = Unavailable desc = dial tcp 10.0.0.1:2379: connect: connection refused', '10.0.0.1:2379'],
    [
      'etcdctl',
      '{"target":"etcd-endpoints://0xc0001/10.0.0.1:2379","error":"rpc error: code = DeadlineExceeded desc = context deadline exceeded"}',
      '10.0.0.1:2379',
    ],
    [
      'a member',
      '{"msg":"prober detected unhealthy status","remote-peer-id":"b71f75320dc06a6c","error":"EOF"}',
      'b71f75320dc06a6c',
    ],
    [
      'nginx about its upstream',
      'upstream SSL certificate verify error: (20:unable to get local issuer certificate) while SSL handshaking to upstream, client: 10.0.0.1, server: , request: "POST /etcdserverpb.KV/Range HTTP/2.0", upstream: "grpcs://10.0.0.2:2379"',
      '10.0.0.2:2379',
    ],
    [
      'the stream module of nginx',
      'connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.1, server: 0.0.0.0:2379, upstream: "10.0.0.2:2379", bytes from/to client:0/0',
      '10.0.0.2:2379',
    ],
    [
      'gRPC in Go',
      'createTransport failed to connect to {Addr: "etcd-0:2379", ServerName: "etcd-0:2379", }. Err: connection error: desc = "EOF"',
      'etcd-0:2379',
    ],
    ['old gRPC in Go', 'createTransport failed to connect to {10.0.0.1:2379  <nil> 0 <nil>}', '10.0.0.1:2379'],
    ['gRPC core', 'last error: UNKNOWN: ipv4:10.0.0.1:2379: connect: Connection refused (111)', '10.0.0.1:2379'],
    [
      'Python',
      "HTTPSConnectionPool(host='etcd-1', port=2379): NewConnectionError('Connection refused')",
      'etcd-1:2379',
    ],
    ['curl', 'curl: (7) Failed to connect to etcd-1 port 2379 after 0 ms: Connection refused', 'etcd-1:2379'],
    ['Java', 'AnnotatedConnectException: Connection refused: etcd-1/10.0.0.1:2379', '10.0.0.1:2379'],
    [
      'a member of etcd 3.4',
      'rafthttp: health check for peer b71f75320dc06a6c could not connect: EOF',
      'b71f75320dc06a6c',
    ],
  ])('the command explain names the server in a line of %s', async (_name, line, address) => {
    expect((await only(line)).addresses.map((each) => each.address)).toEqual([address])
  })

  it.each([
    [
      'nginx',
      'client SSL certificate verify error: (10:certificate has expired) while reading client request headers, client: 10.0.0.7, server: etcd',
    ],
    ['haproxy', 'haproxy[12]: 10.0.0.7:51234 [01/Dec/2026:04:00:00.000] etcd/1: SSL client certificate not trusted'],
  ])('the command explain names the client in a line of %s', async (_name, line) => {
    expect((await only(line)).addresses.map((each) => each.address)).toEqual(['10.0.0.7'])
  })

  it('the command explain finds lines in pieces of any size, also if a character is split', async () => {
    const bytes = Array.from(Buffer.from(`größe €\n${REFUSED.replace('client endpoint', '€')}\r\nx`), (byte) =>
      Buffer.of(byte),
    )
    const { document } = await ask([], bytes)
    expect(document.lines[0]?.line).toContain('on €"')
    expect(document).toMatchObject({ total: 3, recognized: 1 })
  })
})

describe('explain with hostile input', () => {
  it('the command explain escapes control characters of a line, and JSON stays JSON', async () => {
    const hostile = `\u001b]0;owned\u0007 ${REFUSED} \u202e\u0000`
    for (const line of [hostile, '\u001b[31m nothing known']) {
      const { text, document } = await ask([line])
      expect(text(PRINT)).not.toMatch(/[^\P{C}\n]/u)
      expect(JSON.parse(JSON.stringify(document))).toEqual(document)
      expect(documentComplaints('explain', { version: 1, ...document })).toEqual([])
      expect(JSON.stringify(document)).not.toMatch(/[^\P{C}\n]/u)
    }
  })

  it('the command explain removes a private key from the line', async () => {
    const key = Buffer.from(Array.from({ length: 96 }, (_, at) => (at * 89) % 251)).toString('base64')
    const { text, document } = await ask([`remote error: tls: bad certificate ${key}`])
    expect(text(PRINT) + JSON.stringify(document)).not.toContain(key.slice(0, 56))
  })

  it('the command explain keeps a bounded number of addresses, and counts the lines with others', async () => {
    const from = (index: number): string =>
      REFUSED.replace('10.0.0.7', `10.0.${String(index >> 8)}.${String(index & 255)}`)
    const { text, document } = await ask(
      [],
      Array.from({ length: 3000 }, (_, index) => `${from(index)}\n`),
    )
    const [{ count, addresses, otherAddresses } = { count: 0, addresses: [], otherAddresses: 0 }] = document.lines
    expect([count, addresses.length, otherAddresses]).toEqual([3000, 1000, 2000])
    expect(text(PRINT)).toContain('other addresses: 2995 ×')
  })

  it('the command explain keeps the beginning of a line without an end, and reads the next line', async () => {
    const pieces = [REFUSED, ...Array.from({ length: 200 }, () => 'x'.repeat(100_000)), '\n', REFUSED]
    const before = process.memoryUsage().heapUsed
    const { document } = await ask([], pieces)
    expect(document).toMatchObject({ total: 2, recognized: 2 })
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100_000_000)
  })

  it.each([
    ['braces', '{'.repeat(100_000)],
    ['an endless address', `${ZAP},"remote-addr":"${'1'.repeat(100_000)}`],
    ['brackets', `[${'a'.repeat(100_000)} rejected connection`],
    ['bytes that are not UTF-8', Buffer.alloc(1000, 0xff)],
    ['dates', '2026-12-01T03:12:04Z '.repeat(10_000)],
    [
      'a date that does not exist',
      `${ZAP.replace(/"ts":"[^"]*"/, '"ts":9999999999999')},"error":"remote error: tls: bad certificate"}`,
    ],
    ['a member that is not a text', '{"log":{"a":1},"MESSAGE":[1,2]}'],
    ['a number', '{"ts":1e999}'],
  ])('the command explain reads a line of %s', async (_name, line) => {
    expect((await ask([], [line])).document.total).toBe(1)
  })
})

describe('the program etcd-mtls explain', () => {
  it.each([
    ['a code', ['san/host-not-covered'], '', 0],
    ['a line', ['remote error: tls: bad certificate'], '', 0],
    ['a log', [], `${REFUSED}\nother\n`, 0],
    ['a log with an unknown line only', ['-'], 'other\n', 1],
    ['an empty log', [], '', 1],
  ])('the program answers %s, and its JSON is as the schema describes it', async (_name, args, input, code) => {
    const plain = await runInProcess(['explain', ...args], { input })
    expect([plain.code, plain.stderr]).toEqual([code, ''])
    expect(plain.stdout).not.toBe('')
    const json = await runInProcess(['explain', '--json', ...args], { input })
    expect(json.code).toBe(code)
    expect(documentComplaints('explain', JSON.parse(json.stdout))).toEqual([])
  })

  it('the examples of the help run', async () => {
    const { stdout } = await runInProcess(['explain', '--help'])
    const examples = stdout.split('\n').slice(1, 3)
    for (const example of examples) {
      const args = (example.match(/"[^"]*"|\S+/g) ?? []).slice(1).map((each) => each.replaceAll('"', ''))
      expect((await runInProcess(args)).code, example).toBe(0)
    }
  })

  it('an unknown code is two lines on stderr and the exit code 2', async () => {
    const { code, stdout, stderr } = await runInProcess(['explain', 'san/host-not-coverd'])
    expect([code, stdout, stderr.trimEnd().split('\n').length]).toEqual([2, '', 2])
  })

  it('Ctrl-C while a log is read ends with 130 and prints nothing', async () => {
    const child = spawn(process.execPath, [await commandPath(), 'explain'], { stdio: ['pipe', 'pipe', 'pipe'] })
    let written = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (written += chunk.toString()))
    const line = `${REFUSED}\n`.repeat(1000)
    const closed = new Promise((resolve) => child.on('close', resolve))
    child.stdin.on('error', ignore)
    // The program reads: the pipe is larger than what it can hold unread.
    for (let count = 0; count < 10; count += 1) await new Promise((resolve) => child.stdin.write(line, resolve))
    child.kill('SIGINT')
    expect([await closed, written]).toEqual([130, ''])
  })
})
