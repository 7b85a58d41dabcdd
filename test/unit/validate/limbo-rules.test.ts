/**
 * The rules of x509-limbo about certificates and CRLs: each has minted chains that break that rule alone, or keep to it.
 * `npm run conformance` runs limbo's own cases.
 */
import { sequence } from '../../support/der-writer.js'
import { elementsOf } from '../../support/der-writer.js'
import {
  type Case,
  chain,
  check,
  future,
  intermediate,
  leaf,
  type Leaf,
  line,
  past,
  root,
} from '../../support/chain-rules.js'
import {
  authorityKeyIdentifier,
  basicConstraints,
  crlNumber,
  EXTENSION,
  extendedKeyUsage,
  mintCa,
  mintCrl,
  newKey,
  publicHalf,
  subjectKeyIdentifier,
  unknownExtension,
} from '../../support/mint.js'

check('crl', [
  [
    'refuses a certificate that is revoked',
    chain([{}], { serial: 7n }, { revoked: [{ serial: 7n }] }),
    ['revocation/revoked@0'],
  ],
  ['accepts a certificate that is not on the CRL', chain([{}], { serial: 7n }, { revoked: [{ serial: 8n }] }), []],
  [
    'accepts a serial number that is on the CRL of another issuer',
    () => {
      const { input } = line([{}], { serial: 7n }, {})
      const other = mintCa({ subject: 'Other' })
      const crl = mintCrl({ issuer: other, revoked: [{ serial: 7n }] }).der
      return { ...input, crls: [...(input.crls as Buffer[]), crl] }
    },
    [],
  ],
  [
    'refuses a critical CRL number',
    chain([{}], {}, { extensions: [crlNumber(1, true)] }),
    ['revocation/crl-extension-refused'],
  ],
  [
    'refuses the CRL of a CA that may not sign CRLs',
    chain([{ keyUsages: ['keyCertSign'] }], {}, {}),
    ['revocation/crl-sign-missing@1'],
  ],
  ['accepts the CRL of a CA without key usage', chain([{ without: [EXTENSION.keyUsage] }], {}, {}), []],
  [
    'accepts the CRL of a CA that may sign certificates and CRLs',
    chain([{ keyUsages: ['keyCertSign', 'cRLSign'] }], {}, {}),
    [],
  ],
])

check('validity', [
  ['refuses an expired root', chain([{ notBefore: past(9), notAfter: past(1) }, {}]), ['validity/expired@2']],
  ['refuses an expired intermediate', intermediate({ notBefore: past(9), notAfter: past(1) }), ['validity/expired@1']],
  ['refuses an expired leaf', leaf({ notBefore: past(9), notAfter: past(1) }), ['validity/expired@0']],
  ...(
    [
      ['accepts the first instant', '2024-03-01T00:00:00.000Z', []],
      [
        'refuses the last millisecond before the first second',
        '2024-02-29T23:59:59.999Z',
        ['validity/not-yet-valid@0'],
      ],
      ['refuses one second before the first', '2024-02-29T23:59:59.000Z', ['validity/not-yet-valid@0']],
      ['refuses five seconds before the first', '2024-02-29T23:59:55.000Z', ['validity/not-yet-valid@0']],
      ['accepts the last instant', '2024-04-01T00:00:00.000Z', []],
      ['accepts a fraction of the last second', '2024-04-01T00:00:00.005Z', []],
      ['refuses one second after the last', '2024-04-01T00:00:01.000Z', ['validity/expired@0']],
      ['refuses five seconds after the last', '2024-04-01T00:00:05.000Z', ['validity/expired@0']],
    ] as const
  ).map(([what, at, errors]): Case => {
    const [notBefore, notAfter] = [new Date('2024-03-01T00:00:00Z'), new Date('2024-04-01T00:00:00Z')]
    const since = { notBefore: new Date('2020-01-01T00:00:00Z') }
    return [what, chain([since, since], { notBefore, notAfter }), errors, { at: new Date(at) }]
  }),
])

check('aki and ski', [
  [
    'refuses a critical authority key identifier',
    () => {
      const key = newKey()
      return line([{ key, extensions: [authorityKeyIdentifier(publicHalf(key), {}, true)] }]).input
    },
    ['certificate/extension-refused@1'],
  ],
  [
    'refuses a critical subject key identifier',
    () => {
      const key = newKey()
      return line([{ key, extensions: [subjectKeyIdentifier(publicHalf(key), true)] }]).input
    },
    ['certificate/extension-refused@1'],
  ],
])

check('eku', [
  [
    'refuses a server certificate for clients only',
    leaf({ usages: ['clientAuth'] }),
    ['usage/extended-key-usage-missing@0'],
  ],
  ['accepts a leaf without extended key usage', leaf({ usages: [] }), []],
  [
    'refuses an empty extended key usage',
    leaf({ extensions: [extendedKeyUsage([])] }),
    ['certificate/extension-refused@0'],
  ],
])

const aia = (critical: boolean): Leaf => ({
  extensions: [
    {
      oid: '1.3.6.1.5.5.7.1.1',
      critical,
      value: Buffer.from('301a301806082b06010505073002860c687474703a2f2f612e622f63', 'hex'),
    },
  ],
})

check('form', [
  [
    'refuses an empty issuer',
    () => line([{}], { issuerName: '' }).input,
    ['certificate/name-malformed@0', 'chain/issuer-not-found@0'],
  ],
  ['refuses a CA with an empty subject', root({ subject: '' }), ['certificate/name-malformed@1']],
  [
    'refuses an unknown critical extension of the leaf',
    leaf({ extensions: [unknownExtension(true)] }),
    ['certificate/extension-refused@0'],
  ],
  [
    'refuses an unknown critical extension of an intermediate',
    intermediate({ extensions: [unknownExtension(true)] }),
    ['certificate/extension-refused@1'],
  ],
  [
    'refuses an unknown critical extension of the root',
    root({ extensions: [unknownExtension(true)] }),
    ['certificate/extension-refused@1'],
  ],
  [
    'refuses an extension that occurs twice',
    leaf({ extensions: [unknownExtension(false), unknownExtension(false)] }),
    ['certificate/extension-refused@0'],
  ],
  ['accepts authority information access', leaf(aia(false)), []],
  ['refuses critical authority information access', leaf(aia(true)), ['certificate/extension-refused@0']],
  [
    'refuses two signature algorithms that differ',
    leaf({ innerSignature: 'ecdsa-sha384' }),
    ['signature/algorithm-refused@0'],
  ],
  [
    'refuses version 2',
    leaf({ version: 1, tamperTbs: (tbs) => sequence(...elementsOf(tbs).slice(0, -1)) }),
    ['certificate/version-unsupported@0'],
  ],
  ['accepts a leaf without key usage', leaf({ without: [EXTENSION.keyUsage] }), []],
  ['accepts a leaf without basic constraints', leaf({ without: [EXTENSION.basicConstraints] }), []],
])

check('who may issue', [
  [
    'refuses an intermediate with CA:FALSE',
    intermediate({ extensions: [basicConstraints({ ca: false })] }),
    ['constraints/not-a-ca@1'],
  ],
  [
    'refuses an intermediate without basic constraints',
    intermediate({ without: [EXTENSION.basicConstraints] }),
    ['constraints/not-a-ca@1'],
  ],
  [
    'refuses a root without basic constraints',
    root({ without: [EXTENSION.basicConstraints] }),
    ['constraints/not-a-ca@1'],
  ],
  ['refuses a root that may not sign certificates', root({ keyUsages: ['cRLSign'] }), ['usage/key-usage-missing@1']],
  [
    'refuses an intermediate that may not sign certificates',
    intermediate({ pathLength: 0, keyUsages: ['cRLSign'] }),
    ['usage/key-usage-missing@1'],
  ],
  [
    'refuses a CA in the place of a leaf that does not cover the host',
    () => {
      const ca = mintCa({ subject: 'Root' })
      const asLeaf = mintCa({
        subject: 'CA',
        issuer: ca,
        notAfter: future(30),
        keyUsages: ['keyCertSign', 'digitalSignature'],
      })
      return { leaf: asLeaf.der, trustAnchors: [ca.der] }
    },
    ['san/host-not-covered@0'],
  ],
])

const weakRsa = newKey('rsa-1024')

// key.test.ts has P-192, DSA and explicit curves, which the minter has no keys of.
check('keys', [
  ['refuses an RSA root below 2048 bits', root({ key: weakRsa }), ['key/weak@1']],
  ['refuses an issuer whose key cannot be read', root({ spki: sequence() }), ['certificate/malformed']],
])
