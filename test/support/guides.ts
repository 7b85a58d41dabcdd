/** The blocks of the guides, and a process that runs them one after another, each in the folder of its page. */
import { fork } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { transformSync } from 'esbuild'
import { root } from './compiled.js'
import { markdownFiles, readPage } from './markdown.js'

export interface GuideBlock {
  readonly page: string
  /** `docs/waiting.md:5` */
  readonly place: string
  readonly code: string
}

/** What a test knows about one block, which is the one of its page that has this text. */
export interface BlockNote {
  readonly page: string
  readonly has: string
}

/** A replacement in the code of a block. A string must be in it. */
export type Edit = readonly [from: string | RegExp, to: string]

/** What a run of a block needs and must show. */
export interface RunNote extends BlockNote {
  /** Replacements in its code. */
  readonly edits?: readonly Edit[]
  /** Code after it. */
  readonly then?: string
  /** The arguments of each run. By default it runs once, without any. */
  readonly runs?: readonly (readonly string[])[]
  /** What its output must match, waited for. */
  readonly prints?: RegExp
  /** It is a program that keeps its client. */
  readonly staysOpen?: boolean
}

/** One run of a block as the process gets it. */
interface Step {
  readonly place: string
  readonly file: string
  readonly folder: string
  readonly args: readonly string[]
  readonly prints: string | null
}

interface Outcome {
  readonly place: string
  readonly error: string | null
  readonly out: string
  readonly err: string
}

export function guideBlocks(): GuideBlock[] {
  return markdownFiles(root)
    .filter((page) => page === 'README.md' || page.startsWith('docs/'))
    .flatMap((page) =>
      readPage(readFileSync(join(root, page), 'utf8'))
        .blocks.filter(({ language }) => ['ts', 'js', 'mjs'].includes(language))
        .map(({ code, line }) => ({ page, place: `${page}:${String(line)}`, code })),
    )
}

export function isNoted({ page, code }: GuideBlock, note: BlockNote): boolean {
  return page === note.page && code.includes(note.has)
}

/** The steps of a block, as files in the folder. */
export function stepsOf({ place, code }: GuideBlock, folder: string, edits: readonly Edit[], note?: RunNote): Step[] {
  const text = edit(place, `${code}\n${note?.then ?? ''}`, [...(note?.edits ?? []), ...edits])
  const name = basename(place).replace(':', '-')
  return (note?.runs ?? [[]]).map((args, index) => {
    const file = join(folder, `${name}-${String(index)}.${text.includes('require(') ? 'cjs' : 'mjs'}`)
    writeFileSync(file, /^\/\/ [\w-]+\.m?ts/.test(text) ? transformSync(text, { loader: 'ts' }).code : text)
    return { place, file, folder, args, prints: note?.prints?.source ?? null }
  })
}

function edit(place: string, code: string, edits: readonly Edit[]): string {
  return edits.reduce((text, [from, to]) => {
    const next = text.replaceAll(typeof from === 'string' ? from : new RegExp(from, 'g'), to)
    if (typeof from === 'string' && next === text) throw new Error(`${place} has no ${from}`)
    return next
  }, code)
}

/** Milliseconds for one block, and for what it must print. */
const LIMIT = 60_000

const RUNNER = `
  import { format } from 'node:util'
  import { pathToFileURL } from 'node:url'
  const written = { out: '', err: '' }
  let printed = () => undefined
  for (const [method, to] of [['log', 'out'], ['warn', 'err'], ['error', 'err']]) {
    console[method] = (...args) => {
      written[to] += format(...args) + '\\n'
      printed()
    }
  }
  process.stdout.write = (text) => (written.out += text)
  let fail = () => undefined
  for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, (error) => fail(error))
  process.on('warning', (warning) => (written.err += String(warning)))
  const perform = async ({ file, folder, args, prints }) => {
    process.chdir(folder)
    process.argv.splice(1, Infinity, file, ...args)
    process.exitCode = undefined
    await import(pathToFileURL(file).href)
    if (process.exitCode) throw new Error('The exit code is ' + process.exitCode)
    const isPrinted = () => prints === null || new RegExp(prints).test(written.out)
    while (!isPrinted()) await new Promise((resolve) => (printed = resolve))
  }
  process.on('message', async (steps) => {
    for (const step of steps) {
      Object.assign(written, { out: '', err: '' })
      let error = null
      let timer
      try {
        await Promise.race([
          perform(step),
          new Promise((_, reject) => {
            fail = reject
            timer = setTimeout(() => reject(new Error('It does not end, or does not print ' + step.prints)), ${String(LIMIT)})
          }),
        ])
      } catch (caught) {
        error = format(caught)
      }
      clearTimeout(timer)
      await new Promise((resolve) => process.send({ place: step.place, error, ...written }, resolve))
    }
    process.exit()
  })`

/** Runs all steps in one process, and returns what became of each. */
export async function runSteps(steps: readonly Step[], folder: string, env: NodeJS.ProcessEnv): Promise<Outcome[]> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'runner.mjs')
  writeFileSync(file, RUNNER)
  const child = fork(file, [], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const outcomes: Outcome[] = []
  child.on('message', (outcome) => outcomes.push(outcome as Outcome))
  child.send(steps)
  await new Promise((resolve, reject) => child.once('error', reject).once('exit', resolve))
  const [missing] = steps.slice(outcomes.length)
  return missing === undefined
    ? outcomes
    : [...outcomes, { place: missing.place, error: 'The process ended here', out: '', err: '' }]
}
