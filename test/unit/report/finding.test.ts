import { describe, expect, it } from 'vitest'
import { readExplanations } from '../../../scripts/lib/findings-page.mjs'
import { catalogue } from '../../../src/report/catalogue.js'
import { severityFor } from '../../../src/report/row.js'
import { root } from '../../support/compiled.js'
import { finding } from '../../support/finding.js'
import { sampleDetails } from '../../support/sample-details.js'
import { newKey } from '../../support/mint-keys.js'
import { ref } from './sample.js'

const explanations = readExplanations(root)
const SAMPLES = sampleDetails({ text: () => 'etcd-0', entries: 1, number: 1, flag: true, isNull: false })

describe('finding', () => {
  it('takes severity, message and remedy from its row', () => {
    expect(finding('file/missing', { file: 'ca.crt' })).toEqual({
      code: 'file/missing',
      severity: 'error',
      message: 'The file ca.crt does not exist.',
      remedy: expect.stringContaining('ca.crt') as string,
      url: 'https://etcd-mtls.github.io/etcd-mtls/findings/file-missing',
      certificate: null,
      details: { file: 'ca.crt' },
      refusals: [],
      consequences: [],
    })
  })

  it('carries the words by which others refuse it', () => {
    const words = finding('chain/root-not-trusted', { kind: 'leaf', anchors: [] }).refusals
    expect(words).toContainEqual({ by: 'Node', words: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  })

  it.each([
    ['The client\'s certificate "CN=etcd-0.etcd.svc" from client.crt', { origin: 'client.crt' }, 'client'],
    ['The member\'s certificate "CN=etcd-0.etcd.svc" from server.crt', {}, 'peer'],
    ['The certificate "CN=etcd-0.etcd.svc" from server.crt', {}, undefined],
    ['The server\'s certificate "serial 0A1B2C3D" from server.crt', { subject: '' }, 'server'],
    ['The CA certificate "CN=etcd-0.etcd.svc" from ca.crt', { role: 'anchor', origin: 'ca.crt' }, 'server'],
    ['https://etcd-2:2379: its certificate "CN=etcd-0.etcd.svc"', { origin: 'https://etcd-2:2379' }, 'client'],
    [
      'unixs:///run/etcd.sock: its intermediate certificate "CN=etcd-0.etcd.svc"',
      { role: 'intermediate', origin: 'unixs:///run/etcd.sock' },
      'server',
    ],
  ] as const)('names the owner, the role and the place of a certificate: %s', (start, parts, side) => {
    const made = finding('usage/netscape-type-unsuited', { missing: ['server'], refused: true }, ref(parts), { side })
    expect(made.message).toBe(`${start} has a Netscape certificate type (nsCertType) without "server".`)
  })

  it("names the endpoint of a server's certificate inside a sentence", () => {
    const details = { kind: 'comparisons of names', limit: 1 } as const
    const { message } = finding('chain/limit-exceeded', details, ref({ origin: 'https://etcd-2:2379' }))
    expect(message).toMatch(/^The names below the certificate "CN=etcd-0.etcd.svc" of https:\/\/etcd-2:2379 and its/)
  })

  it.each([
    ['https://etcd-2:2379', ['pki/ca.crt'], 'your CA file pki/ca.crt holds only "CN=kubernetes"'],
    ['server.crt', ['/etc/ca.crt (from ETCD_CA)'], 'the CA file /etc/ca.crt (from ETCD_CA) holds only'],
    ['server.crt', ['option "ca"'], 'and option "ca" holds only "CN=kubernetes"'],
    ['server.crt', ['trustAnchors[0]', 'b.crt'], 'and trustAnchors[0] and the CA file b.crt hold only "CN=kubernetes"'],
    ['server.crt', undefined, 'and the CA file holds only "CN=kubernetes"'],
  ])('names the place of the CAs next to a certificate from %s', (origin, trustedFrom, expected) => {
    const details = { kind: 'not given', issuer: 'CN=etcd-ca', anchors: ['CN=kubernetes'], intermediates: [] } as const
    const given = { ...details, anchors: [...details.anchors], intermediates: [] }
    const made = finding('chain/issuer-not-found', given, ref({ origin }), { side: 'server', trustedFrom })
    expect(made.message).toContain(expected)
    expect(made.remedy).toContain("append its certificate to the server's certificate file")
  })

  it('escapes everything that came from outside: message, remedy, details and certificate', () => {
    const place = { file: 'a\u001b]0;x\u0007', variable: 'X\u202e' }
    const made = finding('file/missing', place, ref({ subject: 'CN=a\nb', origin: '\u202e' }))
    expect(JSON.stringify({ ...made, details: made.details.variable })).not.toMatch(/\\u00|\\n|\u202e/)
    expect(made.message).toContain('a\\u{1b}]0;x\\u{7}')
    expect(made.certificate?.subject).toBe('CN=a\\u{a}b')
  })
})

it('A finding has no part of a private key in its message, its remedy and its details', () => {
  const pem = newKey('rsa-2048').export({ type: 'pkcs8', format: 'pem' }).toString()
  const lines = pem.split('\n').slice(1, -2)
  const [line = ''] = lines
  for (const secret of [pem, pem.replaceAll('\n', ' '), line, `https://${line}:2379`]) {
    const made = finding('file/unreadable', { file: secret, variable: secret, kind: 'failed', reason: secret })
    const shown = JSON.stringify(made)
    expect(lines.filter((each) => shown.includes(each.slice(4, 60)))).toEqual([])
  }
})

describe('a path in the details', () => {
  it('A path in the details is exact, because a program opens it', () => {
    const path = `/mnt/a\u202e\u001b[31m/${'b'.repeat(2000)}`
    expect(finding('file/missing', { file: path }).details.file).toBe(path)
  })

  it('A path in the details is cut after 4,096 characters, and a private key is removed from it', () => {
    expect(finding('file/missing', { file: `/${'a'.repeat(5000)}` }).details.file).toMatch(/a… \(5001 characters\)$/)
    const key = newKey().export({ type: 'pkcs8', format: 'pem' }).toString()
    expect(finding('file/missing', { file: key }).details.file).toBe('[private key removed]\n')
  })
})

describe('the catalogue', () => {
  it.each(Object.entries(catalogue))('%s is a full row', (code, row) => {
    expect(code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*\/[a-z0-9]+(-[a-z0-9]+)*$/)
    const found: unknown[] = SAMPLES.filter(([each]) => each === code).map(([, each]) => severityFor(row, each))
    expect(found).not.toEqual([])
    for (const each of found) expect(['error', 'warning', 'info']).toContain(each)
    expect(explanations.get(code)?.meaning).toMatch(/^\S.{15,}\.$/s)
  })

  it('the catalogue has no explanation of a code that does not exist', () => {
    expect([...explanations.keys()].filter((code) => !(code in catalogue))).toEqual([])
  })

  it('no two codes share an anchor in the documentation', () => {
    const anchors = Object.keys(catalogue).map((code) => code.replace('/', '-'))
    expect(new Set(anchors).size).toBe(anchors.length)
  })
})
