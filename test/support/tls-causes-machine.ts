/** Causes in the machine of the client and in the network next to it: its clock, its limits, packets that do not arrive. */
import type { Credentials } from '../../src/credentials/index.js'
import type { ErrorCode } from '../../src/report/errors.js'
import type { Finding } from '../../src/report/index.js'
import { plainCredentials } from './plain-etcd3.js'
import { slowRelay } from './slow-relay.js'
import type { Cause, CauseGroup } from './tls-cause.js'
import type { TlsStage } from './tls-stage.js'

/** Options of a row in which packets do not come back. */
const HANGS = { options: { dialTimeout: '2s' }, plainHangs: true } as const

/** Plain etcd3 would dial again in the background once the rules are gone. */
const ANSWERED = { withoutPlain: true } as const

/** The etcd in a network of its own, with rules in the way. */
function filtered(statements: { readonly to?: string; readonly from?: string }, more: object = HANGS): Cause['setUp'] {
  return ({ far }, pki) => {
    far.filter(statements)
    const end = (): Promise<void> => {
      far.heal()
      return Promise.resolve()
    }
    return { endpoint: far.endpoint, credentials: pki.client, ...more, end }
  }
}

/** A client in a process of its own, started by a command, with code before it connects. */
function inProcess(
  { modules }: TlsStage,
  endpoint: string,
  credentials: Credentials,
  { command, before = '' }: { command: readonly string[]; before?: string },
): () => Promise<{ error: ErrorCode | null; findings: readonly Finding[] }> {
  const { rootCertificate, certChain, privateKey } = plainCredentials(credentials)
  const pems = { ca: String(rootCertificate), cert: String(certChain), key: String(privateKey) }
  const code = `
    const { createSecureClient } = await load('create-secure-client')
    const { fromPem } = await load('from-pem')
    let said
    ${before}
    try {
      const client = await createSecureClient({ endpoints: ${JSON.stringify(endpoint)}, credentials: fromPem(${JSON.stringify(pems)}) })
      said = { error: null, findings: client.tls.report.findings }
      client.close()
    } catch ({ code, details }) {
      said = { error: code, findings: details.report.findings }
    }
    process.stdout.write(JSON.stringify(said))`
  return async () =>
    JSON.parse(await modules.start(code, command).ended) as Awaited<ReturnType<ReturnType<typeof inProcess>>>
}

const UNREACHABLE = { error: 'ERR_UNREACHABLE', certificate: null } as const

export const MACHINE_CAUSES: CauseGroup = {
  title: 'This machine, and the network next to it',
  text: 'Rules of nft in a network namespace, a slow line, a clock that is wrong, and a process that has no file descriptor left.',
  causes: [
    {
      cause: 'a firewall drops packets (nft drop)',
      ...UNREACHABLE,
      codes: ['endpoint/unreachable'],
      details: { stage: 'connect', errorCode: null },
      setUp: filtered({ to: 'drop' }),
    },
    {
      cause: 'a firewall rejects the connection (nft reject with tcp reset)',
      ...UNREACHABLE,
      codes: ['endpoint/unreachable'],
      details: { stage: 'connect', errorCode: 'ECONNREFUSED' },
      setUp: filtered({ to: 'reject with tcp reset' }, ANSWERED),
    },
    {
      cause: 'a router knows no way to the host (nft reject with icmp host-unreachable)',
      ...UNREACHABLE,
      codes: ['endpoint/unreachable'],
      details: { errorCode: 'EHOSTUNREACH' },
      setUp: filtered({ to: 'reject with icmp type host-unreachable' }, ANSWERED),
    },
    {
      cause: 'long packets do not arrive (path MTU), so that the handshake stops after the first message',
      ...UNREACHABLE,
      codes: ['endpoint/silent'],
      details: { after: 'connect', answered: false },
      setUp: filtered({ from: 'meta length > 600 drop' }),
    },
    {
      cause: 'the line is so slow that the handshake takes longer than dialTimeout',
      ...UNREACHABLE,
      codes: ['endpoint/silent'],
      setUp: async ({ etcds }, pki) => {
        const relay = await slowRelay(etcds.good.port, { rate: 600 })
        const end = async (): Promise<void> => relay[Symbol.asyncDispose]()
        return { endpoint: relay.endpoint, credentials: pki.client, ...HANGS, end, cure: { dialTimeout: '60s' } }
      },
    },
    {
      cause: 'the clock of this machine is 60 days fast: the server’s certificate seems to have expired',
      error: 'ERR_HANDSHAKE_FAILED',
      certificate: 'server leaf CN=etcd',
      codes: ['validity/expired', 'handshake/server-certificate-refused'],
      hints: ['handshake/clock-compared'],
      setUp: (stage, pki) => {
        const { endpoint } = stage.etcds.good
        const credentials = pki.issueClient({ notAfter: new Date(Date.now() + 365 * 86_400_000) })
        const command = ['faketime', '--exclude-monotonic', '-f', '+60d']
        return { endpoint, credentials, elsewhere: inProcess(stage, endpoint, credentials, { command }) }
      },
    },
    {
      cause: 'the process has no file descriptor left (EMFILE)',
      ...UNREACHABLE,
      codes: ['endpoint/unreachable'],
      details: { errorCode: 'EMFILE' },
      setUp: (stage, pki) => {
        const { endpoint } = stage.etcds.good
        const command = ['sh', '-c', 'ulimit -n 200; exec "$@"', 'sh']
        const before = `const { openSync } = await import('node:fs'); try { for (;;) openSync('/dev/null') } catch {}`
        return {
          endpoint,
          credentials: pki.client,
          elsewhere: inProcess(stage, endpoint, pki.client, { command, before }),
        }
      },
    },
  ],
}
