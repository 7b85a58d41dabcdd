/** docs/why-tls-fails.md, made of what a test run found. */
import type { Cause, CauseGroup } from './tls-cause.js'
import type { PlainSayings } from './plain-etcd3.js'

/** What came of one cause. */
export interface FoundCause extends Pick<Cause, 'cause' | 'error' | 'codes' | 'certificate'> {
  readonly group: string
  readonly plain: PlainSayings
}

const HEAD = `# Why TLS fails

Each row is a cause that a test brings about, on a real etcd 3.5 if etcd is the cause, and on a proxy or a small server
of the tests if it is not. It shows what \`createSecureClient\` makes of it, and what plain etcd3 says to its
first call and to the ones after it. [Findings](findings.md) says what each code means and what to do; what a finding in
your own report tells beyond that are the endpoint, the certificate and the command.

This page is made by a test run: \`ETCD_MTLS_WRITE_DOCS=1 npm test -- test/integration/diagnosis\`.
`

export function renderWhyTlsFails(groups: readonly CauseGroup[], found: readonly FoundCause[]): string {
  const sections = groups.map(({ title, text }) => {
    const rows = found.filter((each) => each.group === title).map(renderRow)
    const head = ['| cause | what we say | about | plain etcd3 | and after that |', '| --- | --- | --- | --- | --- |']
    return `## ${title}\n\n${text}\n\n<!-- prettier-ignore -->\n${[...head, ...rows].join('\n')}\n`
  })
  return [HEAD, ...sections].join('\n')
}

function renderRow({ cause, error, codes, certificate, plain }: FoundCause): string {
  const verdict = error === null ? 'It connects.' : `\`${error}\``
  const ours = [verdict, ...codes.map((code) => `\`${code}\``)].join('<br>')
  const about = certificate === null ? '–' : `the ${certificate.replace(/^(client|server)/, '$1’s')}`
  const cells = [cause, ours, about, plain.first.replace('GRPCUnavailableError: 14 UNAVAILABLE: ', ''), plain.second]
  return `| ${cells.map(escapeCell).join(' | ')} |`
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|')
}
