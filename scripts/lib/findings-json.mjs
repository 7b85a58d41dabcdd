/** All findings as data, for tools that show them: `etcd-mtls/findings.json`. Of the package, only `etcd-mtls explain` loads it. */
import { readExplanations } from './findings-page.mjs'
import { severitiesOf } from './severities.mjs'

/**
 * @param {string} root
 * @param {Readonly<Record<string, object>>} catalogue
 * @param {(code: string) => string} findingUrl
 * @returns {string} an array with an object for each code
 */
export function renderFindingsJson(root, catalogue, findingUrl) {
  const explanations = readExplanations(root)
  const all = Object.keys(catalogue)
    .sort()
    .map((code) => {
      const { meaning, fix, source } = explanations.get(code)
      const title = meaning.split(/(?<=[.:!?])\s/, 1)[0].replace(/:$/, '.')
      const [, numbers = ''] = /CIS Kubernetes Benchmark ([\d., ]*\d)/.exec(source) ?? []
      const cis = numbers === '' ? {} : { cis: numbers.split(', ') }
      const severities = severitiesOf(catalogue[code])
      return { code, severities, title, explanation: meaning, fix, source, url: findingUrl(code), ...cis }
    })
  return `${JSON.stringify(all)}\n`
}
