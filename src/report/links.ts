/** Links to pages of the site, which the package does not contain. `npm run docs` builds it, and the release publishes it. */

const SITE = 'https://etcd-mtls.github.io/etcd-mtls'
export const LOG_LINES_URL = `${SITE}/log-lines`

/** The anchor of a code in docs/findings.md, and the name of its page on the site: `san-host-not-covered`. */
export function anchorOf(code: string): string {
  return code.replace('/', '-')
}

/** The link to the explanation of a finding. */
export function findingUrl(code: string): string {
  return `${SITE}/findings/${anchorOf(code)}`
}
