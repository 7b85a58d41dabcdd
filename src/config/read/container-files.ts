/** Files of variables that a container engine reads: lines of `NAME=value`, in which nothing is quoted (docker-run(1)). */
import type { ConfigPlace } from '../../report/catalogue/place.js'
import type { Finding } from '../../report/finding.js'
import type { ContainerRun } from './container-run.js'
import type { Variable } from './env.js'
import { notReadVariables } from './read-option.js'
import { type ConfigText, Lines, MAX_NAMED_FILES, type ReadNamedFile } from './text.js'

export interface ContainerVariables {
  readonly variables: readonly Variable[]
  readonly findings: readonly Finding[]
  /** False where a file was not read. */
  readonly isWhole: boolean
}

/** The variables of the files that a container is given. */
export async function containerVariables(
  container: ContainerRun | undefined,
  place: (offset: number, option: string) => ConfigPlace,
  readNamed: ReadNamedFile,
): Promise<ContainerVariables> {
  const variables: Variable[] = []
  const findings: Finding[] = []
  let isWhole = true
  for (const { text, offset } of (container?.files ?? []).slice(0, MAX_NAMED_FILES + 1)) {
    const at = place(offset, '--env-file')
    const content = await readNamed(text, at)
    // Docker keeps quotes as part of the value; other engines differ.
    const isDocker = container?.engine === 'docker'
    if (content === null || (!isDocker && 'text' in content && /=[ \t]*["']/.test(content.text))) {
      isWhole = false
      findings.push(notReadVariables(at, `the file ${text}`))
    } else if ('code' in content) findings.push({ ...content, place: at })
    else for (const each of linesOf(content)) variables.push(each)
  }
  return { variables, findings, isWhole }
}

function linesOf(content: ConfigText): Variable[] {
  const lines = new Lines(content)
  return Array.from(
    content.text.matchAll(/^[ \t]*([A-Za-z_][\w-]*)=([^\r\n]*)/gm),
    ({ 0: whole, 1: name = '', 2: value = '', index }) => ({
      name,
      value,
      place: lines.place(index + whole.length - whole.trimStart().length, name),
    }),
  )
}
