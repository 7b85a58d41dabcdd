/** In the browser: the entries of a line of a log that is pasted into the search, above what the search finds. */
import { LineMatcher } from '../../../src/log-lines/matcher.js'

/** Shorter strings are the beginning of a name. */
const SHORTEST_LINE = 12
const matcher = new LineMatcher(ROWS)

globalThis.etcdMtlsLines = (results, query) => {
  const row = query.length < SHORTEST_LINE ? undefined : matcher.find(query)
  if (row === undefined) return
  const base = document.documentElement.dataset.base ?? './'
  add(results, `${base}log-lines.html#${row.anchor}`, `${row.id}: ${row.meaning}`)
  for (const [code, page] of row.causes) add(results, `${base}findings/${page}.html`, code)
}

function add(results, href, text) {
  const item = document.createElement('li')
  item.role = 'option'
  const link = document.createElement('a')
  link.href = href
  link.textContent = text
  item.append(link)
  results.append(item)
}
