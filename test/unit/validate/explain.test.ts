/** Why a path goes no further (search.ts), and what is reported of a link (check-path.ts, link.ts). */
import { oid, sequence, setOf } from '../../support/der-writer.js'
import {
  authorityKeyIdentifier,
  directoryName,
  encodeAttribute,
  EXTENSION,
  flipBit,
  mintCa,
  newKey,
  subjectKeyIdentifier,
  uri,
  type Extension,
  type Minted,
} from '../../support/mint.js'
import { future, leafOf, tableOf, type Given, type Row } from './rows.js'

const altered = { tamperSignature: (bits: Buffer): Buffer => flipBit(bits, -1) }
const R = mintCa({ subject: 'R', notAfter: future(4000) })
const A = mintCa({ subject: 'A', issuer: R })
const [T, U] = [mintCa({ subject: 'T' }), mintCa({ subject: 'U' })]
const key = newKey()
const [M, N] = [mintCa({ subject: 'M' }), mintCa({ subject: 'N' })]
const circle = [mintCa({ subject: 'M', key: M.key, issuer: N }), mintCa({ subject: 'N', key: N.key, issuer: M })]
const numbered = (count: number): Minted[] =>
  Array.from({ length: count }, (_, i) => mintCa({ subject: `CA ${String(i)}`, key }))
const long: Minted[] = []
for (let i = 0; i < 20; i++) long.unshift(mintCa({ subject: `C${String(i)}`, issuer: long[0] ?? R }))
const damagedRoot = mintCa({ subject: 'R', ...altered })
const named = (algorithm: 'rsa-sha256' | Uint8Array) => ({ innerSignature: algorithm, outerSignature: algorithm })

const row = (
  what: string,
  leaf: Minted,
  sent: readonly Minted[],
  trust: readonly Minted[],
  ...found: string[]
): Row => [what, { leaf, sent, trust }, found]

const acme = mintCa({
  subject: [
    ['CN', 'A'],
    ['O', 'x'],
  ],
})

tableOf('a path without an issuer', 'chain/issuer-not-found', [
  row('names the issuer and the CAs that were given', leafOf(A), [T], [U], '@0 (not given, CN=A, [CN=U], [CN=T])'),
  row(
    'names twenty issuers and twenty CAs',
    leafOf(A),
    numbered(21),
    numbered(22),
    '@0 (not given, CN=A, [CN=CA 0 CN=CA 1 CN=CA 2 CN=CA 3 CN=CA 4 CN=CA 5 CN=CA 6 CN=CA 7 CN=CA 8 CN=CA 9 CN=CA 10 CN=CA 11 CN=CA 12 CN=CA 13 CN=CA 14 CN=CA 15 CN=CA 16 CN=CA 17 CN=CA 18 CN=CA 19], [CN=CA 0 CN=CA 1 CN=CA 2 CN=CA 3 CN=CA 4 CN=CA 5 CN=CA 6 CN=CA 7 CN=CA 8 CN=CA 9 CN=CA 10 CN=CA 11 CN=CA 12 CN=CA 13 CN=CA 14 CN=CA 15 CN=CA 16 CN=CA 17 CN=CA 18 CN=CA 19])',
  ),
  row(
    'has an issuer in another case, beyond ASCII',
    leafOf(A, { issuerName: 'é' }),
    [],
    [mintCa({ subject: 'É', key })],
    '@0 (not given, CN=é, [CN=É], [])',
  ),
  row(
    'names the CA that signed, if its name has other relative names',
    leafOf(acme, {
      issuerName: sequence(setOf(encodeAttribute(['CN', 'A']), encodeAttribute(['O', 'x']))),
      without: [EXTENSION.authorityKeyIdentifier],
    }),
    [],
    [acme],
    '@0 (renamed, CN=A+O=x, [O=x,CN=A], O=x,CN=A)',
    'warning key-identifier-unusual@0',
  ),
  row(
    'names the CA that signed, if its key identifier is the same',
    leafOf(A, { issuerName: 'Z' }),
    [A],
    [R],
    '@0 (renamed, CN=Z, [CN=R], CN=A)',
  ),
  row('is explained at its last certificate', leafOf(A), [A], [T], '@1 (not given, CN=R, [CN=T], [CN=A])'),
  row('ends at a self-signed leaf', leafOf(), [], [T], 'root-not-trusted@0 (leaf, [CN=T])'),
  row('ends at a root that is not trusted', leafOf(A), [A, R], [T], 'root-not-trusted@2 (root, [CN=T])'),
  row('has no trust anchors', leafOf(A), [A, R], [], 'no-trust-anchors ()'),
  row('is too long, and nothing else', leafOf(long[0]), long, [R], 'limit-exceeded (intermediates, 10, 15)'),
  row('is too long, wherever it leads', leafOf(long[0]), long, [T], 'limit-exceeded (intermediates, 10, 15)'),
  row('leads in a circle', leafOf(M), circle, [T], '@2 (circle, CN=M, [CN=T])'),
  row(
    'has an unknown signature algorithm, and nothing else',
    leafOf(A, named(sequence(oid('1.2.3.4')))),
    [],
    [T],
    'algorithm-refused@0 (unsupported, 1.2.3.4)',
  ),
])

const namesake = mintCa({ subject: 'A', issuer: R, serial: 1, key })
const fingerprint = (certificate: Minted): string => `SHA-256 ${certificate.x509().fingerprint256}`
const twenty = Array.from({ length: 21 }, (_, i) => mintCa({ subject: 'A', key, issuer: R, serial: i + 1 }))
const wanted = (extension: Extension): Minted => leafOf(A, { extensions: [extension] })

tableOf('a path with certificates of the name of the issuer', 'certificate/key-identifier-unusual', [
  row(
    'names the certificates, and the key of the issuer',
    wanted(authorityKeyIdentifier(Buffer.of(9))),
    [namesake],
    [R],
    `issuer-key-differs@0 (CN=A, [${fingerprint(namesake)}], 09)`,
  ),
  row(
    'names the certificates without a key if the certificate names none',
    wanted(authorityKeyIdentifier(null)),
    [namesake],
    [R],
    `issuer-key-differs@0 (CN=A, [${fingerprint(namesake)}], -)`,
    'warning @0',
  ),
  row(
    'may have no authority key identifier',
    leafOf(A, { without: [EXTENSION.authorityKeyIdentifier] }),
    [namesake],
    [R],
    'issuer-key-differs@0',
    'warning @0',
  ),
  row(
    'names twenty certificates',
    wanted(authorityKeyIdentifier(null)),
    twenty,
    [R],
    `issuer-key-differs@0 (CN=A, [${twenty.slice(0, 20).map(fingerprint).join(' ')}], -)`,
    'warning @0',
  ),
  row(
    'has an invalid signature if a key identifier points to one',
    leafOf(A, altered),
    [namesake, A],
    [R],
    `signature/invalid@0 (CN=A, ${A.x509().fingerprint256})`,
  ),
  row(
    'has a signature of another kind than the key',
    leafOf(A, named('rsa-sha256')),
    [A],
    [R],
    'key-mismatch@0 (issued, RSA with SHA-256, ECDSA P-256, CN=A)',
  ),
  row(
    'does not count the certificate itself',
    leafOf(damagedRoot),
    [damagedRoot],
    [T],
    'root-not-trusted@1 (root, [CN=T])',
    'warning @1 (missing, authorityKeyIdentifier)',
  ),
  row('is not signed by the new key of a root', leafOf(R), [], [mintCa({ subject: 'R' })], 'issuer-key-differs@0'),
])

const [urn, other] = [uri('urn:x'), directoryName('Other')]
const middle = mintCa({ subject: 'Middle', issuer: R, serial: 7n, extensions: [subjectKeyIdentifier(Buffer.of(12))] })
const linked = (extension: Extension): Given => ({
  leaf: leafOf(middle, { extensions: [extension] }),
  sent: [middle],
  trust: [R],
})
const certificate = (serial?: bigint, ...issuer: Buffer[]): Given =>
  linked(authorityKeyIdentifier(Buffer.of(12), { serial, issuer: issuer.length === 0 ? undefined : issuer }))

tableOf('the check of a link', 'chain/authority-differs', [
  [
    'reports another key',
    linked(authorityKeyIdentifier(Buffer.of(10, 11))),
    ['@0 (key identifier, 0A0B, 0C, CN=Middle)'],
  ],
  ['agrees with serial number and issuer', certificate(7n, directoryName('R')), []],
  ['agrees with a serial number next to a URI as issuer', certificate(7n, uri('urn:x')), []],
  ['agrees with an issuer in other case', certificate(undefined, directoryName('r')), []],
  ['agrees with the first directory name', certificate(7n, urn, directoryName('R'), directoryName('x')), []],
  ['reports another serial number', certificate(8n), ['@0 (certificate, CN=Middle, 07, 08, -)']],
  [
    'reports another serial number next to a URI as issuer',
    certificate(8n, urn),
    ['@0 (certificate, CN=Middle, 07, 08, -)'],
  ],
  ['reports another issuer', certificate(undefined, urn, other), ['@0 (certificate, CN=Middle, 07, -, CN=Other)']],
  [
    'reports an issuer in other bytes',
    { leaf: { issuerName: 'TEST Intermediate' } },
    ['warning issuer-name-respelled@0 (CN=TEST Intermediate, CN=Test Intermediate, server)'],
  ],
])
