/** Findings about SRV discovery: what DNS says about where etcd is. */
import { row } from '../row.js'
import { listed } from '../words.js'

/** What was asked for. */
export interface Question {
  domain: string
  /** The record's name, as `_etcd-client-ssl._tcp.example.com`. */
  record: string
}

export const discovery = {
  'discovery/no-records': row<
    Question & {
      /** Why the look-up failed; `TIMEOUT`: there was no answer in time; null: it did not fail. */
      errorCode: string | null
      /** In milliseconds. */
      timeout: number
      /** The endpoints without TLS that DNS lists instead, as `host:port`. */
      insecure: string[]
    }
  >({
    message: ({ record, errorCode, timeout, insecure }) => {
      if (errorCode === 'TIMEOUT')
        return `The SRV record ${record} was not found within ${String(timeout / 1000)} s: no name server answered.`
      return errorCode === null
        ? `DNS has no SRV record ${record}${insecure.length === 0 ? '' : `, only endpoints without TLS (${listed(insecure)}), which are not used`}.`
        : `The SRV record ${record} could not be looked up (${errorCode}).`
    },
    remedy: ({ record, errorCode, insecure }) => {
      if (errorCode !== null)
        return `Check the name servers in /etc/resolv.conf: "dig SRV ${record}" must be answered at once on this machine. Otherwise raise dialTimeout, or set the option endpoints.`
      return insecure.length === 0
        ? `Check the domain and the name: "dig +short SRV ${record}" must list priority, weight, port and host of each member.`
        : `Serve TLS on the members, and publish their client ports as ${record}.`
    },
  }),
  'discovery/record-ignored': row<
    Question & {
      /** As `host:port`. */
      targets: string[]
      /** `insecure`: they are endpoints without TLS. */
      reason: 'insecure' | 'invalid' | 'too-many'
    }
  >({
    severity: 'warning',
    message: ({ domain, record, targets, reason }) =>
      reason === 'insecure'
        ? `DNS also lists endpoints of ${domain} without TLS (${listed(targets)}); they are not used.`
        : `The SRV record ${record} has the target ${listed(targets)}, which ${reason === 'invalid' ? 'is not a host name with a port' : 'is not used, because it comes after the first 100'}.`,
    remedy: ({ domain, record, reason }) =>
      reason === 'insecure'
        ? `Remove the records _etcd-client._tcp of ${domain}, and close the plaintext ports.`
        : `Correct or remove this target of ${record}.`,
  }),
}
