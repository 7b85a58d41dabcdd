/** `etcd-mtls lint`: checks the configurations of files and directories, and compares the members of a cluster. */
import { relative } from 'node:path'
import { type LintOptions, lintCluster, lintEtcdConfig, type LintReport, readEtcdConfig } from '../../config/index.js'
import type { Finding, SuppressedFinding, SuppressedUnchecked } from '../../report/finding.js'
import { type AnyReport, type PrintOptions, printReports } from '../../report/print-report.js'
import { type Answer, type Call, UsageError } from '../command.js'
import type { LintDocument } from '../documents.js'
import { githubText, onelineText } from './line-formats.js'
import { sarifText } from './sarif.js'
import { idleEntries, type LintSettings, readSettings, suppressionsFor } from './settings.js'
import { findTargets, type Target } from './targets.js'
import { writeText } from './write-text.js'

const FORMATS = ['text', 'oneline', 'json', 'sarif', 'github'] as const
type Format = (typeof FORMATS)[number]

/** Targets that are one cluster, or one target; and their reports. */
export interface LintedGroup {
  readonly files: readonly string[]
  readonly reports: readonly LintReport[]
}

export async function run(call: Call): Promise<Answer> {
  const { options, signal, progress } = call
  const formats = readFormats(options.list('format'))
  const settings = await readSettings('.')
  const { targets, others } = await findTargets(call)
  const lint = linter(call, settings)
  const groups: LintedGroup[] = []
  let skipped = others
  const found: Target[] = []
  for (const [i, target] of targets.entries()) {
    signal.throwIfAborted()
    progress(`Checking ${target.name} (${String(i + 1)} of ${String(targets.length)})`)
    const reports = await lint.one(target)
    const isOther = reports.every(holdsNoEtcd)
    if (isOther && (!target.isNamed || options.flag('skipOthers'))) skipped++
    else {
      found.push(target)
      groups.push({ files: [target.name], reports })
    }
  }
  const merged = await mergeClusters(found, groups, lint, options.flag('cluster'))
  const idle = idleOf(settings, merged, new Date())
  const document = documentOf(merged, idle, skipped)
  const findings = [...merged.flatMap(({ reports }) => reports.flatMap((each) => each.findings)), ...idle]
  const isComplete = document.complete || options.flag('allowUnchecked')
  for (const { format, file } of formats)
    if (file !== null) await writeText(file, textOf(format, document, PLAIN, options.flag('quiet')))
  const shown = formats.find(({ file }) => file === null)?.format ?? 'text'
  return { document, text: (print) => textOf(shown, document, print, false), findings, isDue: !isComplete }
}

const PLAIN: PrintOptions = { color: false, width: 80, oneLine: false }

function readFormats(given: readonly string[]): { format: Format; file: string | null }[] {
  const formats = given.map((each) => {
    const [name = '', ...file] = each.split('=')
    const format = FORMATS.find((known) => known === name)
    if (format === undefined) throw new UsageError(`--format must be one of ${FORMATS.join(', ')}, or FORMAT=FILE; received ${JSON.stringify(each)}.`)
    return { format, file: file.length === 0 ? null : file.join('=') }
  })
  if (formats.filter(({ file }) => file === null).length > 1)
    throw new UsageError('Only one --format can be printed; write the others to files, as in --format sarif=out.sarif.')
  return formats
}

function textOf(format: Format, document: LintDocument, print: PrintOptions): string {
  switch (format) {
    case 'json':
      return JSON.stringify(document, null, 2)
    case 'sarif':
      return sarifText(document)
    case 'github':
      return githubText(document)
    case 'oneline':
      return onelineText(document)
    case 'text':
      return reportText(document, print)
  }
}
