/**
 * The results on all scenarios of revocation lists next to those of `openssl verify`, and next to Node's where it can be
 * asked: it knows neither delta lists nor lists of some reasons. Where we differ, a reason stands here.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import type { Finding } from '../../../src/report/finding.js'
import { chainOf, validateWithLists } from '../../support/chain-with-lists.js'
import { LIST_SCENARIOS, type ListChain, type ListScenario, type MintedList } from '../../support/lists/index.js'
import { sample } from '../../support/long.js'
import { temporaryFolder } from '../../support/openssl.js'
import { askNode } from '../../support/oracle-node.js'

const folder = temporaryFolder()

/** We refuse what OpenSSL accepts, in addition to all CRLs that are not supported. */
const STRICTER: Readonly<Record<string, string>> = {
  'leaf removed in a full list': 'only a delta list may remove (RFC 5280 section 5.3.1), and the list still names it',
  'leaf removed and revoked in the same full list': 'OpenSSL looks at the first entry alone',
  'the same extension twice in an entry': 'readers differ on which one counts',
  'a reason that is no ENUMERATED': 'Go refuses the whole list, and so does etcd from 3.6 on',
  'an invalidity date as UTCTime': 'RFC 5280 section 5.3.2 wants GeneralizedTime',
  'a revocation date that does not exist': 'Go refuses the whole list, and so does etcd',
  'forged with the key identifier of the CA, next to the true list': 'the list before it was altered is not known',
  "altered, with the authority's serial, next to the true list": 'the list before it was altered is not known',
  'signed with SHA-1': 'refused as for certificates; OpenSSL looks at the digests of certificates alone',
  'signed with MD5': 'refused as for certificates; OpenSSL looks at the digests of certificates alone',
  'unknown extension twice': 'readers differ on which one counts',
  'critical authority key identifier': 'Go refuses the list, and so does etcd from 3.6 on',
  'negative CRL number': 'the newer of the CRLs is not known',
  'CRL number that is no INTEGER': 'the newer of the CRLs is not known',
  'CRL number with something behind it': 'the newer of the CRLs is not known',
  'authority key identifier that cannot be read': 'the key that signed it is not known',
  'something unknown in the scope': 'what the list is narrowed to is not known',
  'distribution points for all reasons together': 'a distribution point for some reasons does not count',
  'the new list is out of date, the older one is not': 'what the newer list revoked is not known',
  'a lower number in the later list, which does not name what the other does': 'which one is newer is not known',
  'two lists of the same number and date': 'OpenSSL looks at one of them',
  'revoked by a list without number, next to a numbered one of the same date': 'OpenSSL looks at one of them',
  'revoked by the list of tomorrow': 'what the issuer signed as revoked is revoked',
  'a damaged list of another CA': 'etcd refuses every client with it; OpenSSL never looks at it',
}

/** We accept what OpenSSL refuses. */
const LAXER: Readonly<Record<string, string>> = {
  'an issuer without a list': 'reported as an info: a root that issues no lists is common in a private PKI',
  'issuer name of another CA, signed by this one': 'reported as an info: there is no list of the issuer then',
  'the indirect list of the CA that the certificate names': 'reported as an info: there is no list of the issuer',
  "the issuer's name as the distribution point, where the certificate names none":
    "RFC 5280 section 6.3.3, last paragraph: the issuer's name is taken for the distribution point",
}

/** OpenSSL speaks of another thing than we do. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  'a padded serial number in the list': 'it cannot read the file',
  'an entry that is cut': 'it cannot read the file',
  'an entry that is none': 'it cannot read the file',
  'empty scope': 'it does not take the list for one of this issuer',
  'a distribution point for some reasons': 'it finds no list for the other reasons',
  'revoked by the list of another distribution point': 'it looks at the scope first',
  'some reasons only, and revoked for one of them': 'it reads the list, which revokes the leaf',
  'an entry of the CA itself in a list that is not indirect': 'it reads the list, which revokes the leaf',
}

/** What Node does not know, as it sets no flags for it. */
const BEYOND_NODE = /delta|reasons|indirect/

interface Compared {
  readonly scenario: ListScenario
  readonly findings: readonly Finding[]
  readonly ok: boolean
  /** The result for a server, whom Node validates. */
  readonly server: { readonly ok: boolean; readonly findings: readonly Finding[] }
  readonly openssl: { readonly ok: boolean; readonly words: string }
}

async function compare(scenario: ListScenario, number: number): Promise<Compared & { node: string | null }> {
  const chain = chainOf(scenario)
  const lists = scenario.lists(chain)
  const findings = validateWithLists(chain, lists)
  const isOk = (all: readonly Finding[]): boolean => all.every(({ severity }) => severity !== 'error')
  const ok = isOk(findings)
  const forServer = validateWithLists(chain, lists, { usage: 'server' })
  const server = { ok: isOk(forServer), findings: forServer }
  const [openssl, node] = await Promise.all([askOpenssl(chain, lists, number), askAboutServer(chain, lists, scenario)])
  return { scenario, findings, ok, server, openssl, node }
}

async function askOpenssl(
  { root, intermediate, leaf }: ListChain,
  lists: readonly MintedList[],
  number: number,
): Promise<{ ok: boolean; words: string }> {
  const file = (name: string, text: string): string => folder.file(`${String(number)}-${name}`, text)
  const args = ['verify', '-crl_check_all', '-extended_crl', '-use_deltas', '-auth_level', '2']
  const trust = ['-no-CApath', '-no-CAstore', '-CAfile', file('root', root.pem)]
  const material = [
    '-untrusted',
    file('ca', intermediate.pem),
    '-CRLfile',
    file('crl', lists.map(({ pem }) => pem).join('')),
  ]
  const child = spawn('openssl', [...args, ...trust, ...material, file('leaf', leaf.pem)])
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { ok: code === 0, words }
}

/** Node's word on the server's chain; empty if it accepts, null if it is not asked. */
async function askAboutServer(
  chain: ListChain,
  lists: readonly MintedList[],
  scenario: ListScenario,
): Promise<string | null> {
  if (BEYOND_NODE.test(scenario.name)) return null
  const { root, intermediate, leaf } = chain
  const question = {
    usage: 'server',
    host: 'etcd-0.etcd.svc',
    leaf,
    sent: [intermediate],
    trust: [root],
    crls: lists,
  } as const
  return (await askNode(question))?.words ?? null
}

const AT_A_TIME = 4

it('agrees with OpenSSL and Node, or says why not', async () => {
  const queue = sample(LIST_SCENARIOS.entries(), 25).values()
  const compared: (Compared & { node: string | null })[] = []
  const work = async (): Promise<void> => {
    for (const [i, scenario] of queue) compared.push(await compare(scenario, i))
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
  const names = (list: readonly Compared[]): string[] => list.map(({ scenario }) => scenario.name).sort()
  const tried = new Set(names(compared))
  const listed = (reasons: object): string[] =>
    Object.keys(reasons)
      .filter((name) => tried.has(name))
      .sort()

  const isUnsupported = ({ findings }: Compared): boolean =>
    findings.some(({ code }) => code === 'revocation/crl-unsupported')
  const stricter = compared.filter(({ ok, openssl }) => !ok && openssl.ok)
  expect(names(stricter.filter((each) => !isUnsupported(each)))).toEqual(listed(STRICTER))
  expect(names(compared.filter(({ ok, openssl }) => ok && !openssl.ok))).toEqual(listed(LAXER))

  const foretells = ({ findings, openssl }: Compared): boolean =>
    findings.some(({ refusals }) => refusals.some(({ by, words }) => by === 'OpenSSL' && openssl.words.includes(words)))
  const refused = compared.filter(({ ok, openssl }) => !ok && !openssl.ok)
  expect(names(refused.filter((each) => !foretells(each)))).toEqual(listed(OTHER_WORDS))

  const nodeRefuses = compared.filter(({ node }) => node !== null && node !== '')
  expect(names(nodeRefuses.filter(({ server }) => server.ok))).toEqual([])
  const unexplained = nodeRefuses.filter(({ scenario, server: { ok, findings }, node }) => {
    // Which faults of a scope OpenSSL sees differs from version to version, and Node's is another than the command's.
    if (scenario.name.includes('in the scope') || scenario.name in OTHER_WORDS) return false
    const explained = findings.flatMap(({ refusals }) => refusals.filter(({ by }) => by === 'Node'))
    // Node has a code of its own for some of OpenSSL's reasons, and UNSPECIFIED for the others.
    return !ok && node?.startsWith('UNSPECIFIED') === false && !explained.some(({ words }) => node.includes(words))
  })
  expect(unexplained.map(({ scenario, node }) => `${scenario.name}: ${String(node)}`)).toEqual([])
})
