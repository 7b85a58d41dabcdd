/** Asks a ready member whether it lists an endpoint at which nothing answers: etcd serves nothing before it has joined its cluster. */
import type { Finding } from '../../report/finding.js'
import type { Membership } from '../../report/catalogue/silent-endpoint.js'
import { dialable } from '../base/endpoints.js'
import { finding } from '../base/finding.js'
import { ask, type RequestCarrier } from '../transport/health-check.js'
import { Fields } from '../transport/protobuf.js'
import { isGone, isSilentFromStart, type KnownEndpoint } from './failure.js'

const MEMBER_LIST_PATH = '/etcdserverpb.Cluster/MemberList'
/** MemberListResponse and Member of etcd api/etcdserverpb/rpc.proto. */
const [MEMBERS, NAME, CLIENT_URLS] = [2, 2, 4]
/** Milliseconds, in addition to `dialTimeout`, for the answer of a ready member. */
const LIST_TIMEOUT = 500

/** The URLs of one member; null until it has joined, because it publishes them and its name then. */
type ListedUrls = readonly string[] | null

/** The findings, with what a ready member lists about the endpoints at which nothing answers. */
export async function withMembership(
  endpoints: readonly (KnownEndpoint & { readonly connection: RequestCarrier | null })[],
  findings: readonly Finding[],
): Promise<readonly Finding[]> {
  const { connection = null, endpoint } = endpoints.find((each) => each.connection !== null) ?? {}
  if (connection === null || endpoint === undefined || !findings.some(isUnanswered)) return findings
  const members = await ask(connection, MEMBER_LIST_PATH, membersIn, { token: null, timeout: LIST_TIMEOUT })
  const known = endpoints.map((each) => each.endpoint.url)
  return findings.map((each) => {
    if (!isUnanswered(each)) return each
    const state = stateOf(each.details.endpoint, members, known)
    if (state === null) return each
    const membership = { by: endpoint.url, state }
    return each.code === 'endpoint/silent'
      ? finding(each.code, { ...each.details, membership })
      : finding(each.code, { ...each.details, membership })
  })
}

function isUnanswered(found: Finding): found is Finding<'endpoint/silent' | 'endpoint/unreachable'> {
  return isGone(found) || isSilentFromStart(found)
}

function membersIn(message: Buffer): ListedUrls[] {
  const members: ListedUrls[] = []
  const fields = new Fields(message)
  while (fields.next()) if (fields.number === MEMBERS) members.push(urlsIn(fields.message()))
  return members
}

function urlsIn(fields: Fields): ListedUrls {
  let isNamed = false
  const urls: string[] = []
  while (fields.next()) {
    if (fields.number === NAME) isNamed = fields.text() !== ''
    else if (fields.number === CLIENT_URLS) urls.push(fields.text())
  }
  return isNamed ? dialable(urls).map(({ url }) => url) : null
}

/** Null: the list says nothing about the URL. A member that is none of the endpoints may be this one under another name. */
function stateOf(
  url: string,
  members: readonly ListedUrls[] | null,
  known: readonly string[],
): Membership['state'] | null {
  if (members === null) return 'unknown'
  if (members.some((urls) => urls?.includes(url) === true)) return 'listed'
  if (!members.includes(null)) return null
  return members.every((urls) => urls?.some((each) => known.includes(each)) ?? true) ? 'not-joined' : 'unknown'
}
