/** Links to pages of docs, which the package does not contain. */

/** The pages, in the repository that package.json names. */
const DOCS = 'https://github.com/etcd-mtls/etcd-mtls/blob/main/docs'
export const LOG_LINES_URL = `${DOCS}/log-lines.md`

/** The anchor of a code in docs/findings.md: `san/host-not-covered` is at `#san-host-not-covered`. */
export function anchorOf(code: string): string {
  return code.replace('/', '-')
}

/** The link to the explanation of a finding. */
export function findingUrl(code: string): string {
  return `${DOCS}/findings.md#${anchorOf(code)}`
}
