/** The table of commands. The code of each is loaded when it is called. */
import type { CommandRow } from './command.js'
import { DOCTOR } from './doctor-row.js'

export const COMMANDS: readonly CommandRow[] = [DOCTOR]
