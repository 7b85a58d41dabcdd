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
      /** The endpoints without TLS that DNS lists instead, as `host:port`. */
      insecure: string[]
    }
  >({
    severity: 'error',
    message: ({ record, insecure }) =>
      `DNS has no SRV record ${record}${insecure.length === 0 ? '' : `, only endpoints without TLS (${listed(insecure)}), which are not used`}.`,
    remedy: ({ record, insecure }) =>
      insecure.length === 0
        ? `Check the domain and the name: "dig +short SRV ${record}" must list priority, weight, port and host of each member.`
        : `Serve TLS on the members, and publish their client ports as ${record}.`,
  }),
  'discovery/insecure-dropped': row<Question & { insecure: string[] }>({
    severity: 'warning',
    message: ({ domain, insecure }) =>
      `DNS also lists endpoints of ${domain} without TLS (${listed(insecure)}); they are not used.`,
    remedy: ({ domain }) => `Remove the records _etcd-client._tcp of ${domain}, and close the plaintext ports.`,
  }),
  'discovery/record-unusable': row<Question & { target: string; reason: string }>({
    severity: 'warning',
    message: ({ record, target, reason }) => `The SRV record ${record} has the target "${target}", which ${reason}.`,
    remedy: ({ record }) => `Correct or remove this target of ${record}.`,
  }),
  'discovery/lookup-failed': row<
    Question & {
      /** Null: there was no answer in time. */
      errorCode: string | null
      /** In milliseconds. */
      timeout: number
    }
  >({
    severity: 'error',
    message: ({ record, errorCode, timeout }) =>
      errorCode === null
        ? `The SRV record ${record} was not found within ${String(timeout / 1000)} s: no name server answered.`
        : `The SRV record ${record} could not be looked up (${errorCode}).`,
    remedy: ({ record }) =>
      `Check the name servers in /etc/resolv.conf: "dig SRV ${record}" must be answered at once on this machine. Otherwise raise dialTimeout, or set the option endpoints.`,
  }),
}
