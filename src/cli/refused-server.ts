/** The finding for a server that sent no certificate. */
import type { ServerRefusal } from '../client/diagnosis/observe-server.js'
import { finding } from '../client/finding.js'
import type { Finding } from '../report/finding.js'

/** Milliseconds that an observation may take. */
const TIMEOUT = 10_000

export function refusalFinding({ url, host }: { url: string; host: string }, refusal: ServerRefusal): Finding {
  const { kind, alert, detail } = refusal
  const code = /^E[A-Z_]+$/.test(detail) ? detail : null
  switch (kind) {
    case 'unreachable': {
      const stage = code?.startsWith('EAI_') === true || code === 'ENOTFOUND' ? 'lookup' : 'connect'
      const details = { endpoint: url, host, address: null, stage, errorCode: code, timeout: TIMEOUT } as const
      return finding('endpoint/unreachable', details)
    }
    case 'silent':
    case 'aborted': {
      const details = { endpoint: url, address: null, timeout: TIMEOUT, after: 'connect', answered: false } as const
      return finding('endpoint/silent', { ...details, protocol: null })
    }
    case 'closed':
      return finding('endpoint/closed', {
        endpoint: url,
        errorCode: code ?? 'closed',
        answered: false,
        handshake: null,
      })
    case 'alert':
    case 'failed':
      return finding('handshake/failed', { endpoint: url, alert, certificateSent: null, errorCode: detail, detail })
  }
}
