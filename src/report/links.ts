/** Links to docs/findings.md, which the package does not contain. */

/** The page, in the repository that package.json names. */
const FINDINGS = 'https://github.com/etcd-mtls/etcd-mtls/blob/main/docs/findings.md'

/** The anchor of a code in docs/findings.md: `san/host-not-covered` is at `#san-host-not-covered`. */
export function anchorOf(code: string): string {
  return code.replace('/', '-')
}

/** The link to the explanation of a finding. */
export function findingUrl(code: string): string {
  return `${FINDINGS}#${anchorOf(code)}`
}
