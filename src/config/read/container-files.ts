/** Files of variables that a container engine reads, otherwise than systemd and shells do: they are told, and not read. */
import type { ConfigPlace } from '../../report/catalogue/config-place.js'
import type { Finding } from '../../report/finding.js'
import type { ContainerRun } from './container-run.js'
import { finding } from './finding.js'

export function filesNotRead(
  container: ContainerRun | undefined,
  place: (offset: number, option: string) => ConfigPlace,
): Finding[] {
  return (container?.files ?? []).map(({ text, offset }) =>
    finding('config/variables-not-read', { ...place(offset, '--env-file'), from: `the file ${text}` }),
  )
}
