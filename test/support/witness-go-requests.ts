/** Go's way with certificate requests and private keys: the program in `go-requests/`, run once for all questions. */
import { runGo } from './run-go.js'

/** A request to make, or a text in PEM to read. */
export type GoQuestion =
  | { ask: 'make'; form: 'go' | 'bare' | 'step' | 'cert-manager'; key: string }
  | { ask: 'read' | 'key' | 'certificate'; pem: string }

export interface GoAnswer {
  /** Go's words of refusal; empty if it accepts. */
  readonly words: string
  readonly pem: string
  readonly subject: string
  readonly names: readonly string[] | null
  readonly kind: string
}

export function askGo(questions: readonly GoQuestion[]): GoAnswer[] {
  return runGo('go-requests', questions) as GoAnswer[] // the program's own form
}
