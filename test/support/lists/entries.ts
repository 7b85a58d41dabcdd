/** Entries of lists: what revokes, what does not, and what damages the list. */
import { EXTENSION, invalidityDate, rawTime, TAG, unknownExtension } from '../mint.js'
import { ago, ahead, list, beside, oneList, naming, raw, type ListScenario } from './build.js'

export const entries: readonly ListScenario[] = [
  { name: 'clean lists of both issuers', lists: oneList({}), found: [] },
  { name: 'an issuer without a list', lists: ({ root }) => [list(root)], found: ['revocation/no-crl@0'] },
  { name: 'leaf revoked', lists: naming({ reason: 1 }), found: ['revocation/revoked@0'] },
  { name: 'leaf revoked without a reason', lists: naming({}), found: ['revocation/revoked@0'] },
  { name: 'leaf revoked, reason unspecified', lists: naming({ reason: 0 }), found: ['revocation/revoked@0'] },
  { name: 'leaf revoked, reason 7, which is none', lists: naming({ reason: 7 }), found: ['revocation/revoked@0'] },
  { name: 'leaf on hold', lists: naming({ reason: 6 }), found: ['revocation/revoked@0'] },
  { name: 'leaf removed in a full list', lists: naming({ reason: 8 }), found: ['revocation/revoked@0'] },
  { name: 'leaf revoked as of tomorrow', lists: naming({ date: ahead(24) }), found: ['revocation/revoked@0'] },
  {
    name: 'leaf revoked, invalid since yesterday',
    lists: naming({ reason: 1, extensions: [invalidityDate(ago(24))] }),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'leaf removed and revoked in the same full list',
    lists: beside(({ intermediate, leaf: { serial } }) => [
      list(intermediate, {
        revoked: [
          { serial, reason: 8 },
          { serial, reason: 1 },
        ],
      }),
    ]),
    found: ['revocation/revoked@0'],
  },
  {
    name: 'another serial number revoked',
    lists: beside(({ intermediate, leaf }) => [list(intermediate, { revoked: [{ serial: leaf.serial + 1n }] })]),
    found: [],
  },
  {
    name: 'intermediate revoked',
    lists: ({ root, intermediate }) => [
      list(root, { revoked: [{ serial: intermediate.serial, reason: 2 }] }),
      list(intermediate),
    ],
    found: ['revocation/revoked@1'],
  },
  {
    name: 'unknown critical extension in the entry of another certificate',
    lists: oneList({ revoked: [{ serial: 5, extensions: [unknownExtension(true)] }] }),
    found: ['revocation/crl-extension-refused'],
  },
  {
    name: 'unknown extension in an entry',
    lists: oneList({ revoked: [{ serial: 5, extensions: [unknownExtension(false)] }] }),
    found: [],
  },
  {
    name: 'revoked in an entry with an unknown critical extension',
    lists: naming({ extensions: [unknownExtension(true)] }),
    found: ['revocation/crl-extension-refused', 'revocation/revoked@0'],
  },
  {
    name: 'the same extension twice in an entry',
    lists: oneList({ revoked: [{ serial: 5, extensions: [unknownExtension(false), unknownExtension(false)] }] }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'a reason that is no ENUMERATED',
    lists: oneList({ revoked: [{ serial: 5, extensions: [raw(EXTENSION.reasonCode, '020101')] }] }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'an invalidity date as UTCTime',
    lists: oneList({ revoked: [{ serial: 5, extensions: [raw('2.5.29.24', '170d3235303130313030303030305a')] }] }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'a revocation date that does not exist',
    lists: oneList({ revoked: [{ serial: 5, date: rawTime(TAG.utcTime, '250230000000Z') }] }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'a padded serial number in the list',
    lists: oneList({ revoked: [{ serial: Buffer.from([0, 5]) }] }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'an entry that is cut',
    lists: oneList({ rawEntries: Buffer.from('3003020105', 'hex') }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'an entry that is none',
    lists: oneList({ rawEntries: Buffer.from('020105', 'hex') }),
    found: ['revocation/crl-malformed'],
  },
  {
    name: 'an empty list of entries',
    lists: oneList({ rawEntries: Buffer.alloc(0) }),
    found: ['revocation/crl-unusual'],
  },
]
