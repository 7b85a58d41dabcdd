/** The lines of other programs as data: complete, exact and safe. The integration test makes real programs write them. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { LINE_PROGRAMS } from '../../../scripts/lib/log-lines-page.mjs'
import { catalogue } from '../../../src/report/catalogue.js'
import type { LogLine } from '../../../src/log-lines/index.js'
import { refusalsOf } from '../../../src/report/row.js'
import { findLogLine, logLines } from '../../support/log-lines.js'
import { OwnTime } from '../../support/own-time.js'

const first = (line: string): string | undefined => findLogLine(line)?.id
const expressions = new Map(logLines.map((row) => [row, new RegExp(row.pattern)]))

/** All rows that match a line, without what finds the first one faster. */
function matching(line: string): LogLine[] {
  return logLines.filter((row) => expressions.get(row)?.test(line) === true)
}

describe('the table of log lines', () => {
  it.each(logLines.map((row) => [row.id, row] as const))(
    'the table has an example for %s that this row matches first',
    (id, { example }) => {
      expect(first(example)).toBe(id)
    },
  )

  it('matches every refusal of the catalogue that a certificate or a handshake causes, with its code', () => {
    const words = new Map<string, { codes: Set<string>; line: string }>()
    for (const [code, row] of Object.entries(catalogue)) {
      if (/^(?:config|request)\//.test(code)) continue
      for (const refusal of refusalsOf(row)) {
        const key = `${refusal.by}: ${refusal.words}`
        const known = words.get(key) ?? { codes: new Set(), line: refusal.words.replaceAll('…', 'abc') }
        words.set(key, { ...known, codes: known.codes.add(code) })
      }
    }
    const missed = [...words].flatMap(([key, { codes, line }]) => {
      const lines = [line, `rejected connection (error "${line}")`]
      const found = new Set<string>(lines.flatMap((each) => matching(each)).flatMap((each) => each.codes))
      const lacking = [...codes].filter((code) => !found.has(code))
      return lacking.length === 0 ? [] : [`${key}: ${lacking.join(', ')}`]
    })
    expect(missed).toEqual([])
  })

  it('the table has the fields that its schema requires, with unique ids and codes of the catalogue', () => {
    const text = { type: 'string', minLength: 1 }
    const validate = new Ajv2020({ allErrors: true }).compile({
      type: 'array',
      uniqueItems: true,
      items: {
        type: 'object',
        additionalProperties: false,
        required: [
          'id',
          'program',
          'versions',
          'pattern',
          'contains',
          'direction',
          'meaning',
          'codes',
          'decide',
          'example',
        ],
        properties: {
          id: { type: 'string', pattern: '^[a-z]+/[a-z0-9-]+$' },
          program: { enum: LINE_PROGRAMS },
          versions: text,
          pattern: text,
          contains: { type: 'array', minItems: 1, uniqueItems: true, items: { type: 'string', minLength: 4 } },
          direction: {
            enum: [
              ...[
                'server-refuses-client',
                'server-refused-by-client',
                'client-refuses-server',
                'client-refused-by-server',
              ],
              ...['no-refusal', 'unclear'],
            ],
          },
          meaning: { type: 'string', pattern: '^[A-Z"].*[.]$' },
          codes: { type: 'array', minItems: 1, uniqueItems: true, items: { enum: Object.keys(catalogue) } },
          decide: text,
          example: { type: 'string', minLength: 1, pattern: '^[^\\n]*$' },
          source: text,
        },
      },
    })
    expect(validate(JSON.parse(JSON.stringify(logLines))), JSON.stringify(validate.errors)).toBe(true)
    expect(new Set(logLines.map(({ id }) => id)).size).toBe(logLines.length)
  })

  it('the table has a placeholder in a command only if the page explains it', () => {
    const names = logLines.flatMap(({ decide }) => decide.match(/\{\w+\}/g) ?? [])
    expect(new Set(names)).toEqual(new Set(['{host}', '{name}', '{ca}', '{cert}', '{key}', '{file}']))
  })
})

describe('LineMatcher', () => {
  const line = (error: string): string => `{"msg":"rejected connection on client endpoint","error":"${error}"}`

  it.each([
    [
      'client-refuses-server',
      'transport: authentication handshake failed: x509: certificate signed by unknown authority',
    ],
    ['server-refuses-client', line('tls: failed to verify certificate: x509: certificate signed by unknown authority')],
    ['server-refused-by-client', line('remote error: tls: bad certificate')],
    ['client-refused-by-server', 'transport: authentication handshake failed: remote error: tls: bad certificate'],
    ['server-refused-by-client', 'http: TLS handshake error from 10.0.0.7:1: remote error: tls: bad certificate'],
    [
      'server-refused-by-client',
      'etcd: rejected connection from "10.0.0.7:1" (error "remote error: tls: bad certificate", ServerName "")',
    ],
    [
      'server-refuses-client',
      '"Unable to authenticate the request" err="[x509: certificate signed by unknown authority]"',
    ],
    ['server-refuses-client', 'client SSL certificate verify error: (21:unable to verify the first certificate)'],
    ['server-refuses-client', 'client certificate verify error: (10:certificate has expired) while reading'],
    ['no-refusal', 'Get "https://10.0.0.1:2379/": EtcdException: Client sent an HTTP request to an HTTPS server.'],
    [
      'no-refusal',
      'status = StatusCode.UNAVAILABLE details = "failed to connect to all addresses; Connection refused"',
    ],
    ['no-refusal', 'transport error: tonic::transport::Error(Transport, "Connection refused")'],
    [
      'no-refusal',
      'error reading from server: EOF", received prior goaway: code: ENHANCE_YOUR_CALM, debug data: "too_many_pings"',
    ],
    ['no-refusal', 'error:0A00018E:SSL routines:SSL_CTX_use_certificate:ca md too weak'],
  ])('reports %s for the words in their context', (direction, text) => {
    expect(findLogLine(text)?.direction).toBe(direction)
  })

  it.each([
    ['go/certificate-file', '/etc/kubernetes/pki/etcd/ca.crt: x509: malformed certificate'],
    ['go/certificate-file', 'unable to parse "ca.pem": asn1: syntax error: sequence truncated'],
    ['go/unreadable-certificate', 'Get https://10.0.0.1:2379/health.pem: x509: malformed certificate'],
    ['system/file-missing', "Error: ENOENT: no such file or directory, open '/etc/etcd/ca.crt'"],
    ['system/file-missing', 'java.nio.file.NoSuchFileException: /etc/etcd/client.key'],
    ['system/file-unreadable', 'java.io.FileNotFoundException: /etc/etcd/client.key (Permission denied)'],
    ['go/file-missing', 'open C:\\\\etcd\\\\ca.crt: The system cannot find the file specified.'],
    ['nginx/client-expired', 'client certificate verify error: (10:certificate has expired) while reading'],
    [
      'java/not-http2',
      'UNAVAILABLE: http2 exception Caused by: Http2Exception: First received frame was not SETTINGS.',
    ],
  ])('finds %s first in a line that other rows match, too', (id, text) => {
    expect(first(text)).toBe(id)
  })

  it.each([
    '',
    '{"level":"info","msg":"serving client traffic securely","address":"127.0.0.1:2379"}',
    '{"level":"info","msg":"established TCP streaming connection with remote peer"}',
    '{"level":"warn","msg":"apply request took too long","took":"1.2s"}',
    'open() "/usr/share/nginx/html/favicon.ico" failed (2: No such file or directory)',
    'I1206 10:06:43 controller.go:1] certificate rotation detected, shutting down client connections',
    'the certificate of the server was renewed',
    'GET /version HTTP/1.1 200',
  ])('matches nothing in %j', (text) => {
    expect(first(text)).toBeUndefined()
  })

  it('the matcher finds the row whose pattern matches first, without trying every pattern', () => {
    const lines = logLines.flatMap(({ example }) => [example, line(example), `2026-01-01 a: ${example} b`])
    expect(lines.filter((text) => findLogLine(text) !== matching(text)[0])).toEqual([])
  })

  it.each(logLines.map(({ id, example }) => [id, example] as const))(
    'takes linear time for repeated parts of %s',
    (_, example) => {
      const words = example.replace(/.$/, '')
      const hostile = words.repeat(Math.ceil(200_000 / words.length))
      const clock = new OwnTime()
      findLogLine(hostile)
      findLogLine(`${'rejected connection'.repeat(20_000)}${words}`)
      expect(clock.elapsed).toBeLessThan(500)
      clock[Symbol.dispose]()
    },
  )
})
