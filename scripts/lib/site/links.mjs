/** What a reader or a content security policy would refuse in the files of the site. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { filesOf } from './finish.mjs'

/** The local links and anchors of all pages that lead nowhere, and what a strict content security policy refuses. */
export function faultsOf(out) {
  const pages = new Map(filesOf(out, /\.(?:html|svg)$/).map((file) => [file, readFileSync(file, 'utf8')]))
  const anchors = new Map([...pages].map(([file, text]) => [file, new Set(namesIn(text))]))
  return [...pages].flatMap(([file, html]) => {
    const dead = [...html.matchAll(/\b(?:href|src)="([^"]*)"/g)]
      .map(([, link]) => link)
      .filter((link) => !leadsSomewhere(link, file, anchors))
    const refused = [...html.matchAll(REFUSED)].map(([each]) => each)
    return [...dead.map((link) => `leads nowhere: ${link}`), ...refused.map((each) => `is refused: ${each}`)].map(
      (fault) => `${relative(out, file)}: ${fault}`,
    )
  })
}

const REFUSED = /<script>|<[^>]+ (?:on[a-z]+|style)="|javascript:|<(?:script|link|img)[^>]+(?:src|href)="https?:/g

function leadsSomewhere(link, file, anchors) {
  if (/^(?:https?:|mailto:|data:)/.test(link)) return true
  const [path, anchor = ''] = decodeURIComponent(link.replaceAll('&amp;', '&')).split('#')
  const target = path === '' ? file : join(dirname(file), path)
  return anchor === '' ? existsSync(target) : anchors.get(target)?.has(anchor) === true
}

function namesIn(html) {
  return [...html.matchAll(/\b(?:id|name)="([^"]+)"/g)].map(([, name]) => name.replaceAll('&amp;', '&'))
}
