/** Results of benchmarks as Markdown: for the terminal, and for the pages in docs. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { draw } from './bench-plot.mjs'
import { Stop } from './lifecycle.mjs'

/** A result as Markdown, which reads well on a terminal too. */
export function table({ title, about, unit, base, rows, promises }) {
  const isAllMemory = rows.every(({ counts }) => counts === 'memory')
  const cells = [
    ['', `per ${unit}`, ...(isAllMemory ? [] : ['per second']), `× ${base}`, 'quartiles'],
    ...rows.map(({ name, counts, time, perSecond, ratio, spread }) => [
      name,
      counts === 'memory' ? `${round(time / 1024)} KiB` : duration(time),
      ...(isAllMemory ? [] : [counts === 'memory' ? '' : round(perSecond)]),
      ratio.toFixed(2),
      spread.map((each) => each.toFixed(2)).join('–'),
    ]),
  ]
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length), 4))
  const line = (row) => `| ${row.map((cell, column) => pad(cell, widths[column], column)).join(' | ')} |`
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  const kept = promises.map(({ says, held }) => `- ${held ? 'kept' : 'NOT KEPT'}: ${says}`)
  return [`## ${title}`, '', about, '', line(cells[0]), rule, ...cells.slice(1).map(line), '', ...kept]
    .join('\n')
    .trim()
}

function pad(cell, width, column) {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width)
}

function round(number) {
  return String(Number(number.toPrecision(3)))
}

function duration(ms) {
  return ms >= 1 ? `${round(ms)} ms` : `${round(ms * 1000)} µs`
}

const HEAD = `# All benchmarks

The tables of all benchmarks, as \`npm run bench -- --write\` writes them. [Benchmarks](benchmarks.md) has the figures that matter
to most readers. Read the ratios, which compare medians of one run: times are of one machine. The quartiles are those of the
ratios of the rounds. Each table names the command that measured it.
`

/**
 * Writes the tables of `results` into docs/benchmarks-all.md, which keeps the others, and their plots into docs/plots.
 *
 * @throws {Stop} if a promise is not kept: a page never shows one. Change the client, or withdraw the promise.
 */
export function writePages(root, results, names) {
  const broken = [...results].filter(([, result]) => result?.promises.some(({ held }) => !held)).map(([name]) => name)
  if (broken.length > 0) throw new Stop(`Nothing was written, because a promise is not kept: ${broken.join(', ')}.`)
  const page = join(root, 'docs/benchmarks-all.md')
  const sections = new Map(
    [...readFileSync(page, 'utf8').matchAll(/<!-- bench:([\w-]+) -->\n\n([^]*?)\n\n<!-- \/bench -->/g)].map(
      ([, name, text]) => [name, text],
    ),
  )
  for (const [name, result] of results) if (result !== null) sections.set(name, sectionOf(root, name, result))
  const shown = names
    .filter((name) => sections.has(name))
    .map((name) => `<!-- bench:${name} -->\n\n${sections.get(name)}\n\n<!-- /bench -->\n`)
  writeFileSync(page, [HEAD, ...shown].join('\n'))
}

function sectionOf(root, name, result) {
  const where = `Measured by \`npm run bench -- ${name} --write\` with Node ${process.versions.node} on ${cpus()[0].model.trim()}.`
  mkdirSync(join(root, 'docs/plots'), { recursive: true })
  const images = result.plots.map((plot, index) => {
    const file = `${name}${index === 0 ? '' : `-${index + 1}`}.svg`
    writeFileSync(join(root, 'docs/plots', file), draw(plot, result))
    return `![${plot.title}](plots/${file})`
  })
  return [table(result), ...images, where].join('\n\n')
}
