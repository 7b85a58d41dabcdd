/** Lists that speak for other issuers. */
import { certificateIssuer, issuingDistributionPoint, mintCa, uri } from '../mint.js'
import { leafAt, LISTS_AT, list, beside, oneList, type ListScenario } from './build.js'

export const indirect: readonly ListScenario[] = [
  {
    name: 'indirect',
    lists: oneList({}, issuingDistributionPoint({ indirect: true })),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'indirect, and names the serial number for another issuer',
    lists: beside(({ intermediate, leaf }) => [
      list(
        intermediate,
        { revoked: [{ serial: leaf.serial, extensions: [certificateIssuer('Other')] }] },
        issuingDistributionPoint({ indirect: true }),
      ),
    ]),
    found: ['revocation/crl-extension-refused', 'revocation/serial-listed@0'],
  },
  {
    name: 'a certificate issuer in a list that is not indirect',
    lists: oneList({ revoked: [{ serial: 5, extensions: [certificateIssuer('Other')] }] }),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'a certificate issuer that is not critical',
    lists: oneList({ revoked: [{ serial: 5, extensions: [certificateIssuer('Other', false)] }] }),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'an entry of the CA itself in a list that is not indirect',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, {
        revoked: [{ serial: leaf.serial, extensions: [certificateIssuer('Test Intermediate')] }],
      }),
    ]),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'an entry of the CA itself behind one of another issuer',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, {
        revoked: [
          { serial: 5, extensions: [certificateIssuer('Other')] },
          { serial: leaf.serial, extensions: [certificateIssuer('Test Intermediate')] },
        ],
      }),
    ]),
    found: ['revocation/crl-extension-refused', 'revocation/revoked@0'],
  },
  {
    name: 'an entry without an issuer behind one of another issuer',
    lists: beside(({ intermediate, leaf }) => [
      list(intermediate, {
        revoked: [{ serial: 5, extensions: [certificateIssuer('Other')] }, { serial: leaf.serial }],
      }),
    ]),
    found: ['revocation/crl-extension-refused', 'revocation/serial-listed@0'],
  },
  {
    name: 'the indirect list of the CA that the certificate names',
    chain: leafAt({ name: [uri(LISTS_AT)], crlIssuer: 'Lister' }),
    lists: ({ root }) => [
      list(root),
      list(mintCa({ subject: 'Lister' }), {}, issuingDistributionPoint({ indirect: true })),
    ],
    found: ['revocation/crl-extension-refused', 'revocation/no-crl@0'],
  },
  {
    name: 'an indirect list of a CA that nobody names',
    lists: ({ root, intermediate }) => [
      list(root),
      list(intermediate),
      list(mintCa({ subject: 'Lister' }), {}, issuingDistributionPoint({ indirect: true })),
    ],
    found: ['revocation/crl-unused'],
  },
]
